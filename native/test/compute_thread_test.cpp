#include "compute_thread.h"

#include <algorithm>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "doctest_with_torch.h"

using namespace oxboard;

TEST_CASE("compute thread: one thread does the work of all who wait, one after the other") {
  ComputeThread& compute = ComputeThread::named("test");
  CHECK(&compute == &ComputeThread::named("test"));
  CHECK(&compute != &ComputeThread::named("another"));
  std::set<std::thread::id> workers;
  int running = 0;
  int most = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      for (int round = 0; round < 100; ++round) {
        compute.run([&] {
          most = std::max(most, ++running);
          workers.insert(std::this_thread::get_id());
          --running;
        });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(workers.size() == 1);
  CHECK(most == 1);
}

TEST_CASE("compute thread: what the work throws comes to the caller, and the thread goes on") {
  ComputeThread& compute = ComputeThread::named("test");
  CHECK_THROWS_AS(compute.run([] { throw std::runtime_error("no"); }), std::runtime_error);
  CHECK_THROWS_AS(compute.run([] { throw 42; }), int);
  bool ran = false;
  compute.run([&] { ran = true; });
  CHECK(ran);
}
