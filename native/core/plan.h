// The arithmetic of a separation: which chunks run through which network, from where to where, and
// with what weight each output sample counts. Pure numbers: no tensors and no audio.
//
// It restates `apply_model` of the Python package (demucs/apply.py, 4.1.0) as a schedule along the
// song: where Python finishes one bag member and one shift over the whole song before the next, the
// plan goes through the song once and runs every member and shift at each place, so that finished
// samples leave at the front and memory does not depend on the song's length.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace oxboard {

/**
 * For networks whose outputs are added up as they are, such as the inverse STFT of separate runs of
 * frames: no window and no average. Lengths are in sample frames.
 */
struct OverlapAdd {
  int64_t overlap = 0;  // shared by neighboring segments
  int64_t lead = 0;     // silence that the first segment has before the song
};

struct PlanOptions {
  int64_t length = 0;         // sample frames of the song, at least 1
  int64_t networkLength = 0;  // sample frames of the model's segment
  int64_t minLength = 0;  // shortest input of the network; networkLength when its length is fixed
  int64_t segment = 0;    // sample frames of a chunk, at most networkLength
  double overlap = 0.25;  // from 0 up to, not including, 1
  double transitionPower = 1;
  // If set, it decides how chunks are joined; overlap and transitionPower are not used then.
  std::optional<OverlapAdd> overlapAdd;
  // Weight of each bag member (outer) for each source of the model (inner).
  std::vector<std::vector<double>> memberWeights;
  std::vector<int> sources;  // indices of the requested sources
  // Shift offsets of each member (outer), each from 0 to maxShift. Empty inner lists: no shifts.
  std::vector<std::vector<int64_t>> shiftOffsets;
  int64_t maxShift = 0;
  int batchSize = 1;
  // First frame of the song that is wanted, up to `length`: an earlier run of an equal plan gave
  // what lies before it.
  int64_t resumeFrom = 0;
};

/** One piece of the song for one network. Positions are in sample frames of the song. */
struct Chunk {
  int pass = 0;       // index into Plan::passes
  int64_t index = 0;  // number of the chunk within its pass
  int64_t start = 0;  // first frame; negative inside the silence that a shift puts before the song
  int64_t length = 0;
  int64_t inputStart = 0;   // first frame that the network reads, real neighbours included
  int64_t inputLength = 0;  // frames read from the song (silence beyond its ends)
  int64_t zeroTail = 0;     // frames of silence that fill up a fixed-length network's input
};

/** Chunks that run through one network in one call; all have the same input length. */
struct Batch {
  int member = 0;
  std::vector<Chunk> chunks;
};

class Plan {
 public:
  /** One bag member run over the song at one shift. */
  struct Pass {
    int member = 0;
    int64_t start = 0;   // first frame, 0 or negative
    int64_t chunks = 0;  // how many chunks cover it
  };

  /** @throws Error kInternal when options contradict each other. */
  explicit Plan(PlanOptions options);

  const PlanOptions& options() const { return options_; }
  const std::vector<Pass>& passes() const { return passes_; }
  int64_t stride() const { return stride_; }
  /** Chunks of all passes together. */
  int64_t totalChunks() const { return totalChunks_; }

  /** Rounds run at a time; a round is the chunk of one index in every pass. */
  int64_t roundsPerGroup() const { return roundsPerGroup_; }
  int64_t groups() const { return groups_; }

  /** The first group with a chunk that reaches beyond PlanOptions::resumeFrom; groups() if none. */
  int64_t firstGroup() const;
  /** Chunks of the groups before one. */
  int64_t chunksBefore(int64_t group) const;

  /** The batches of one group of rounds, in the order in which they run. */
  std::vector<Batch> group(int64_t index) const;

  /** Frames from 0 up to this are final once group `index` has run. */
  int64_t finalAfter(int64_t index) const;

  /** First frame that group `index` or any later one reads. */
  int64_t firstFrameRead(int64_t index) const;

  /**
   * How much each frame of a chunk counts in the finished stem: the triangular window divided by
   * the sum of all windows of the pass there, divided by the number of shifts. Without the weight
   * of the member, for which see sourceWeight. With OverlapAdd every frame counts fully.
   */
  std::vector<float> frameWeights(const Chunk& chunk) const;

  /** Share of a member in a source of the model: its weight over the sum of all members' weights.
   */
  double sourceWeight(int member, int source) const;

 private:
  Chunk chunkAt(int pass, int64_t index) const;

  PlanOptions options_;
  int64_t stride_ = 0;
  int64_t roundsPerGroup_ = 1;
  int64_t groups_ = 0;
  int64_t totalChunks_ = 0;
  std::vector<Pass> passes_;
  std::vector<double> window_;
  std::vector<double> strideSums_;  // window_[i] + window_[i - stride] + window_[i - 2 stride] ...
};

}  // namespace oxboard
