// Replaces the global operators new and delete of the program that links this.
#include "heap_count.hpp"

#include <cstdlib>
#include <new>

#include <malloc.h>

namespace gpuwarden::bench {
namespace {

HeapCount counted;  // the programs that use it have one thread

void* take(std::size_t size) {
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  ++counted.allocations;
  counted.live_bytes += malloc_usable_size(memory);
  return memory;
}

void give_back(void* memory) {
  if (memory == nullptr) return;
  counted.live_bytes -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

HeapCount heap_count() {
  return counted;
}

}  // namespace gpuwarden::bench

void* operator new(std::size_t size) {
  return gpuwarden::bench::take(size);
}
void* operator new[](std::size_t size) {
  return gpuwarden::bench::take(size);
}
void operator delete(void* memory) noexcept {
  gpuwarden::bench::give_back(memory);
}
void operator delete[](void* memory) noexcept {
  gpuwarden::bench::give_back(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  gpuwarden::bench::give_back(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  gpuwarden::bench::give_back(memory);
}
