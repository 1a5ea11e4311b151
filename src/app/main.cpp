#include "gpuwarden/app/application.hpp"

int main(int argc, char** argv) {
  return gpuwarden::app::run_application(argc, argv);
}
