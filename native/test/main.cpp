// Entry point of the core's tests; see the other files of this folder.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "cpu_allocator.h"

int main(int argc, char** argv) {
  // As the addon does: it belongs to the process, before libtorch allocates anything.
  oxboard::installCpuAllocator();
  return doctest::Context(argc, argv).run();
}
