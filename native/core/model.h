// A bag of networks as an archive describes it, loaded on one device.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "batch_runner.h"
#include "compute_device.h"
#include "network.h"
#include "plan.h"

namespace oxboard {

/** What model.json says, checked and completed by TypeScript. */
struct ModelDescription {
  struct Member {
    std::string file;             // path of the TorchScript file
    std::vector<double> weights;  // one for each source
  };
  std::string name;
  int sources = 0;
  int channels = 0;
  int sampleRate = 0;
  int64_t segment = 0;    // sample frames
  int64_t minLength = 0;  // sample frames; equal to `segment` when the input length is fixed
  std::optional<OverlapAdd> overlapAdd;
  std::vector<Member> members;
};

class Model {
 public:
  /** Models of this process that hold their networks, sessions' shares included. */
  static int live();

  /**
   * Loads every member. That a network does what the description says is checked whenever it runs.
   *
   * @param threads threads of the CPU for one unit of work.
   * @param optimizations see Network.
   * @throws Error kModelInvalid, kOutOfMemory.
   */
  Model(ModelDescription description, std::shared_ptr<ComputeDevice> device, int threads,
        const Optimizations& optimizations);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelDescription& description() const { return description_; }
  /** As resolveDevice gives it. */
  const std::string& device() const { return deviceName_; }
  const Network& network(int member) const { return *networks_.at(member); }

  /** Runs segments. For the one thread that has the device. */
  BatchRunner& runner() const { return *runner_; }

  /** Bytes of all weights on the device. */
  int64_t weightBytes() const;

 private:
  /** Counts the models that hold networks; the last one returns the arena's memory. */
  struct LiveCount {
    LiveCount();
    ~LiveCount();
  };

  LiveCount liveCount_;  // first, so that it goes after the networks
  ModelDescription description_;
  std::string deviceName_;
  std::vector<std::unique_ptr<Network>> networks_;
  std::unique_ptr<BatchRunner> runner_;
};

}  // namespace oxboard
