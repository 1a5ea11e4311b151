// All of the rooms that decide, linked into one program for purity.sh.
int main() {
  return 0;
}
