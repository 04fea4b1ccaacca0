// One separation: PCM goes in block by block, finished samples of the stems come out block by
// block, and the session holds a few segments of each, whatever the length of the song.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "cpu_allocator.h"
#include "model.h"
#include "plan.h"

namespace oxboard {

/** What the first pass over the song found; samples are normalised with it. */
struct SongStatistics {
  double mean = 0;       // of the mean over channels
  double deviation = 0;  // of the mean over channels, unbiased (N-1)
  bool silent = false;   // every sample is zero
};

/**
 * Not safe for two threads at a time: push, step and take are called one after the other. Only
 * `stop` may be called at any time from any thread.
 */
class Session {
 public:
  Session(std::shared_ptr<const Model> model, PlanOptions options, SongStatistics statistics);

  /** First frame of the song that is to be pushed; 0 unless the plan resumes further on. */
  int64_t inputStart() const { return plan_.firstFrameRead(plan_.firstGroup()); }

  /** Frames that must still be pushed before the next step can run. 0: step may be called. */
  int64_t framesWanted() const;

  /**
   * Appends PCM of the song.
   *
   * @param channels one pointer per channel of the model, each to `frames` samples.
   * @return false, and nothing is taken, when that would be more than the song holds.
   */
  bool push(const std::vector<const float*>& channels, int64_t frames);

  /**
   * The unit of native work: runs one batch of chunks through one network on the calling thread.
   * Finished frames must have been taken before. The same as beginStep, BatchRunner::run, endStep.
   *
   * @throws Error kAborted, kOutOfMemory, kInferenceFailed, kModelInvalid, kOutputNotFinite. The
   * session is of no more use after an error.
   */
  BatchReport step();

  /**
   * The segments of the next step, to be run by the network and with the shape of nextCall(). They
   * refer to this session.
   *
   * @throws Error kAborted, kInternal.
   */
  std::vector<Segment> beginStep();

  /** @throws the error of the first segment that has one. */
  void endStep(const std::vector<Segment>& segments);

  /** What the next step runs. Only while there is one: not done(). */
  struct Call {
    int member = 0;
    int64_t segments = 0;
    SegmentShape shape;
  };
  Call nextCall() const;

  /** The bag member that the next step runs; -1 when there is none. */
  int nextMember() const { return batches_.empty() ? -1 : batches_.front().member; }

  /** Whether every chunk has run. Finished frames may still wait to be taken. */
  bool done() const { return nextGroup_ >= plan_.groups() && batches_.empty(); }

  /** Makes a running step end at its next operator, and every later one at once. */
  void stop() { stop_.store(true); }

  /** Finished frames that wait to be taken. */
  int64_t framesReady() const { return finalEnd_ - taken_; }

  /**
   * Takes the next `frames` finished frames (at most framesReady()) of one requested source.
   *
   * @param source position in PlanOptions::sources.
   * @param destinations one pointer per channel.
   */
  void copyReady(int source, int64_t frames, const std::vector<float*>& destinations) const;
  /** Drops frames that copyReady has copied for every source. */
  void dropReady(int64_t frames);

  /** Chunks that ran, those of the earlier run that is resumed among them. */
  int64_t chunksDone() const { return chunksDone_; }
  int64_t chunksTotal() const { return statistics_.silent ? 0 : plan_.totalChunks(); }
  const Plan& plan() const { return plan_; }
  const Model& model() const { return *model_; }

 private:
  void openNextGroup();
  int64_t lastFrameRead(const Batch& batch) const;
  void fill(const Chunk& chunk, float* samples, int64_t networkInput) const;
  void accumulate(const Chunk& chunk, int member, const float* output, int64_t outputLength);
  void compact();

  std::shared_ptr<const Model> model_;
  Plan plan_;
  SongStatistics statistics_;
  StopFlag stop_{false};

  // Input: channel c, frame f of the song is input_[c][f - inputBase_].
  std::vector<std::vector<float>> input_;
  int64_t inputBase_ = 0;
  int64_t inputEnd_ = 0;

  // Output sums: row (source, channel), frame f of the song is sums_[row][f - sumsBase_].
  std::vector<std::vector<float>> sums_;
  int64_t sumsBase_ = 0;
  int64_t taken_ = 0;
  int64_t finalEnd_ = 0;

  int64_t nextGroup_ = 0;
  std::deque<Batch> batches_;
  int64_t chunksDone_ = 0;
};

}  // namespace oxboard
