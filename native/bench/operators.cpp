// Where the time of a network goes: runs an archive on random samples and prints the seconds that
// each operator took by itself, as JSON.
//
//     oxboard_operators ARCHIVE SAMPLES THREADS RUNS [OPTIMIZATION ...]
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "cpu_allocator.h"
#include "network.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Total {
  int64_t calls = 0;
  double seconds = 0;
};

struct Frame {
  Clock::time_point begin;
  double children = 0;
};

// Operators start and end on the thread that runs the graph.
std::vector<Frame> frames;
std::map<std::string, Total> totals;

std::unique_ptr<at::ObserverContext> onStart(const at::RecordFunction&) {
  frames.push_back({Clock::now()});
  return nullptr;
}

void onEnd(const at::RecordFunction& function, at::ObserverContext*) {
  const double seconds = std::chrono::duration<double>(Clock::now() - frames.back().begin).count();
  Total& total = totals[function.name()];
  total.calls += 1;
  total.seconds += seconds - frames.back().children;
  frames.pop_back();
  if (!frames.empty()) frames.back().children += seconds;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: %s ARCHIVE SAMPLES THREADS RUNS [OPTIMIZATION ...]\n", argv[0]);
    return 2;
  }
  const int64_t samples = std::atoll(argv[2]);
  const int runs = std::atoi(argv[4]);
  at::set_num_threads(std::atoi(argv[3]));
  oxboard::installCpuAllocator();
  const oxboard::Network network(argv[1], "cpu",
                                 oxboard::Optimizations::named({argv + 5, argv + argc}));
  at::manual_seed(1);
  const at::Tensor song = at::randn({1, 2, samples});
  // Two runs for the interpreter, which makes its plan in the first.
  for (int warm = 0; warm < 2; ++warm) network.run(song);

  std::vector<double> seconds;
  for (int run = 0; run < runs; ++run) {
    const auto begin = Clock::now();
    network.run(song);
    seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  std::sort(seconds.begin(), seconds.end());

  const at::CallbackHandle handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(onStart, onEnd).scopes({at::RecordScope::FUNCTION}));
  for (int run = 0; run < runs; ++run) network.run(song);
  at::removeCallback(handle);

  std::printf("{\"seconds\": %.4f, \"operators\": {", seconds[seconds.size() / 2]);
  const char* separator = "";
  for (const auto& [name, total] : totals) {
    std::printf("%s\n  \"%s\": {\"calls\": %lld, \"seconds\": %.5f}", separator, name.c_str(),
                static_cast<long long>(total.calls / runs), total.seconds / runs);
    separator = ",";
  }
  std::printf("\n}}\n");
  return 0;
}
