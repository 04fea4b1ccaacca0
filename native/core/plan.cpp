#include "plan.h"

#include <algorithm>
#include <cmath>

#include "error.h"

namespace oxboard {
namespace {

void require(bool condition, const char* message) {
  if (!condition) throw Error(ErrorCode::kInternal, message);
}

int64_t divideUp(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

/** The triangle of `apply_model`, raised to the transition power; its maximum is 1. */
std::vector<double> transitionWindow(int64_t segment, double power) {
  std::vector<double> window(segment);
  const int64_t half = segment / 2;
  const double peak = static_cast<double>(segment - half);
  for (int64_t i = 0; i < segment; ++i) {
    const int64_t height = i < half ? i + 1 : segment - i;
    const double value = static_cast<double>(height) / peak;
    window[i] = power == 1 ? value : std::pow(value, power);
  }
  return window;
}

}  // namespace

Plan::Plan(PlanOptions options) : options_(std::move(options)) {
  const PlanOptions& o = options_;
  require(o.length > 0, "a plan needs at least one frame");
  require(o.minLength > 0 && o.minLength <= o.networkLength, "minLength exceeds the segment");
  require(o.segment > 0 && o.segment <= o.networkLength, "segment exceeds the model's");
  require(o.overlap >= 0 && o.overlap < 1, "overlap is not in [0, 1)");
  require(o.batchSize > 0, "batch size is not positive");
  require(o.resumeFrom >= 0 && o.resumeFrom <= o.length, "resumeFrom lies outside the song");
  require(!o.sources.empty(), "no source is requested");
  require(o.shiftOffsets.size() == o.memberWeights.size(), "one list of shifts per member");

  if (o.overlapAdd) {
    require(o.segment == o.networkLength, "a network with overlap-add takes whole segments only");
    require(o.overlapAdd->overlap >= 0 && o.overlapAdd->lead >= 0, "overlap-add is negative");
    stride_ = o.segment - o.overlapAdd->overlap;
  } else {
    stride_ = static_cast<int64_t>((1 - o.overlap) * static_cast<double>(o.segment));
  }
  require(stride_ > 0, "overlap leaves no stride");
  window_ = transitionWindow(o.segment, o.transitionPower);
  strideSums_ = window_;
  for (int64_t i = stride_; i < o.segment; ++i) strideSums_[i] += strideSums_[i - stride_];

  size_t passesPerMember = 1;
  int64_t rounds = 0;
  for (size_t member = 0; member < o.memberWeights.size(); ++member) {
    const bool needed = std::any_of(o.sources.begin(), o.sources.end(), [&](int source) {
      return o.memberWeights[member].at(source) != 0;
    });
    if (!needed) continue;
    const std::vector<int64_t>& offsets = o.shiftOffsets[member];
    passesPerMember = std::max<size_t>(offsets.size(), 1);
    for (size_t shift = 0; shift < passesPerMember; ++shift) {
      Pass pass;
      pass.member = static_cast<int>(member);
      if (!offsets.empty()) {
        require(offsets[shift] >= 0 && offsets[shift] <= o.maxShift, "shift out of range");
        pass.start = offsets[shift] - o.maxShift;
      }
      if (o.overlapAdd) pass.start -= o.overlapAdd->lead;
      pass.chunks = divideUp(o.length - pass.start, stride_);
      rounds = std::max(rounds, pass.chunks);
      totalChunks_ += pass.chunks;
      passes_.push_back(pass);
    }
  }
  require(!passes_.empty(), "no bag member has a weight for the requested sources");
  roundsPerGroup_ = std::max<int64_t>(1, o.batchSize / static_cast<int64_t>(passesPerMember));
  groups_ = divideUp(rounds, roundsPerGroup_);
}

Chunk Plan::chunkAt(int pass, int64_t index) const {
  const PlanOptions& o = options_;
  Chunk chunk;
  chunk.pass = pass;
  chunk.index = index;
  chunk.start = passes_[pass].start + index * stride_;
  chunk.length = std::min(o.segment, o.length - chunk.start);

  if (o.overlapAdd) {
    // Its frames lie on a grid from the first segment on, which a centered chunk would leave.
    chunk.inputLength = chunk.length;
    chunk.inputStart = chunk.start;
    chunk.zeroTail = o.networkLength - chunk.length;
    return chunk;
  }
  // A network of fixed length gets a short chunk extended to the chunk length on both sides with
  // the real audio around it (TensorChunk.padded); what a user's smaller segment still lacks, the
  // network itself fills with zeros at the end (HTDemucs.forward).
  const bool fixed = o.minLength == o.networkLength;
  chunk.inputLength = fixed ? o.segment : std::max(chunk.length, o.minLength);
  chunk.inputStart = chunk.start - (chunk.inputLength - chunk.length) / 2;
  chunk.zeroTail = fixed ? o.networkLength - o.segment : 0;
  return chunk;
}

std::vector<Batch> Plan::group(int64_t index) const {
  std::vector<Batch> batches;
  const int64_t firstRound = index * roundsPerGroup_;
  for (size_t pass = 0; pass < passes_.size(); ++pass) {
    const int64_t end = std::min(firstRound + roundsPerGroup_, passes_[pass].chunks);
    for (int64_t round = firstRound; round < end; ++round) {
      const Chunk chunk = chunkAt(static_cast<int>(pass), round);
      const auto open = std::find_if(batches.begin(), batches.end(), [&](const Batch& batch) {
        return batch.member == passes_[pass].member &&
               batch.chunks.size() < static_cast<size_t>(options_.batchSize) &&
               batch.chunks.front().inputLength == chunk.inputLength;
      });
      if (open != batches.end()) {
        open->chunks.push_back(chunk);
      } else {
        batches.push_back({passes_[pass].member, {chunk}});
      }
    }
  }
  return batches;
}

int64_t Plan::firstGroup() const {
  const PlanOptions& o = options_;
  if (o.resumeFrom == o.length) return groups_;
  int64_t first = groups_;
  for (const Pass& pass : passes_) {
    const int64_t before = o.resumeFrom - pass.start - o.segment;
    const int64_t round = before < 0 ? 0 : before / stride_ + 1;
    if (round < pass.chunks) first = std::min(first, round / roundsPerGroup_);
  }
  return first;
}

int64_t Plan::chunksBefore(int64_t group) const {
  int64_t chunks = 0;
  for (const Pass& pass : passes_) chunks += std::min(group * roundsPerGroup_, pass.chunks);
  return chunks;
}

int64_t Plan::finalAfter(int64_t index) const {
  if (index + 1 >= groups_) return options_.length;
  const int64_t nextRound = (index + 1) * roundsPerGroup_;
  int64_t frontier = options_.length;
  for (const Pass& pass : passes_) {
    if (nextRound < pass.chunks) frontier = std::min(frontier, pass.start + nextRound * stride_);
  }
  return std::max<int64_t>(frontier, 0);
}

int64_t Plan::firstFrameRead(int64_t index) const {
  if (index >= groups_) return options_.length;
  int64_t first = options_.length;
  for (size_t pass = 0; pass < passes_.size(); ++pass) {
    // Only the last chunks of a pass are short enough to reach back before their start, and none
    // reaches back further than one input length.
    const int64_t chunks = passes_[pass].chunks;
    for (int64_t round = index * roundsPerGroup_; round < chunks; ++round) {
      const Chunk chunk = chunkAt(static_cast<int>(pass), round);
      first = std::min(first, chunk.inputStart);
      if (chunk.start - chunk.inputLength > first) break;
    }
  }
  return std::max<int64_t>(first, 0);
}

std::vector<float> Plan::frameWeights(const Chunk& chunk) const {
  const Pass& pass = passes_[chunk.pass];
  const std::vector<int64_t>& shifts = options_.shiftOffsets[pass.member];
  const double passes = static_cast<double>(std::max<size_t>(shifts.size(), 1));
  std::vector<float> weights(chunk.length, static_cast<float>(1 / passes));
  if (options_.overlapAdd) return weights;
  for (int64_t i = 0; i < chunk.length; ++i) {
    // The windows of all chunks that cover this frame: each is one stride further into its own.
    const int64_t frame = chunk.index * stride_ + i;
    const int64_t lastChunk = std::min(frame / stride_, pass.chunks - 1);
    const int64_t nearest = frame - lastChunk * stride_;
    const int64_t farthest = nearest + (options_.segment - 1 - nearest) / stride_ * stride_;
    const int64_t end = std::min(farthest, frame);
    double sum = strideSums_[end];
    if (nearest >= stride_) sum -= strideSums_[nearest - stride_];
    weights[i] = static_cast<float>(window_[i] / (sum * passes));
  }
  return weights;
}

double Plan::sourceWeight(int member, int source) const {
  double total = 0;
  for (const std::vector<double>& weights : options_.memberWeights) total += weights.at(source);
  return options_.memberWeights[member].at(source) / total;
}

}  // namespace oxboard
