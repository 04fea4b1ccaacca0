#include "session.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "error.h"

namespace oxboard {
namespace {

// Keeps silence finite, as demucs.api.Separator does.
constexpr double kDeviationFloor = 1e-8;

/** Whether no sample is NaN or Inf. The exponent bits are compared so that the loop vectorises. */
bool allFinite(const float* samples, int64_t count) {
  constexpr uint32_t kExponent = 0x7f800000;
  uint32_t bad = 0;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, samples + i, sizeof bits);
    bad |= static_cast<uint32_t>((bits & kExponent) == kExponent);
  }
  return bad == 0;
}

std::string seconds(int64_t frames, int sampleRate) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f s", static_cast<double>(frames) / sampleRate);
  return text;
}

}  // namespace

Session::Session(std::shared_ptr<const Model> model, PlanOptions options, SongStatistics statistics)
    : model_(std::move(model)), plan_(std::move(options)), statistics_(statistics) {
  input_.resize(model_->description().channels);
  sums_.resize(plan_.options().sources.size() * model_->description().channels);
  inputBase_ = inputEnd_ = inputStart();
  sumsBase_ = taken_ = finalEnd_ = plan_.options().resumeFrom;
  if (statistics_.silent) {
    // The stems of silence are silence: nothing to compute, and no noise from the networks.
    nextGroup_ = plan_.groups();
    finalEnd_ = plan_.options().length;
  } else {
    nextGroup_ = plan_.firstGroup();
    chunksDone_ = plan_.chunksBefore(nextGroup_);
    openNextGroup();
  }
}

void Session::openNextGroup() {
  if (nextGroup_ >= plan_.groups()) return;
  for (Batch& batch : plan_.group(nextGroup_)) batches_.push_back(std::move(batch));
  ++nextGroup_;
}

int64_t Session::lastFrameRead(const Batch& batch) const {
  int64_t end = 0;
  for (const Chunk& chunk : batch.chunks) {
    end = std::max(end, chunk.inputStart + chunk.inputLength);
  }
  return std::min(end, plan_.options().length);
}

int64_t Session::framesWanted() const {
  if (batches_.empty()) return 0;
  return std::max<int64_t>(lastFrameRead(batches_.front()) - inputEnd_, 0);
}

bool Session::push(const std::vector<const float*>& channels, int64_t frames) {
  if (inputEnd_ + frames > plan_.options().length || channels.size() != input_.size()) return false;
  for (size_t channel = 0; channel < input_.size(); ++channel) {
    input_[channel].insert(input_[channel].end(), channels[channel], channels[channel] + frames);
  }
  inputEnd_ += frames;
  return true;
}

void Session::compact() {
  const int64_t firstRead = std::min(plan_.firstFrameRead(nextGroup_ - 1), inputEnd_);
  if (firstRead > inputBase_) {
    for (std::vector<float>& channel : input_) {
      channel.erase(channel.begin(), channel.begin() + (firstRead - inputBase_));
    }
    inputBase_ = firstRead;
  }
  if (taken_ > sumsBase_) {
    for (std::vector<float>& row : sums_) {
      row.erase(row.begin(), row.begin() + std::min<int64_t>(taken_ - sumsBase_,
                                                             static_cast<int64_t>(row.size())));
    }
    sumsBase_ = taken_;
  }
}

BatchReport Session::step() {
  std::vector<Segment> segments = beginStep();
  const Call call = nextCall();
  const BatchReport report =
      model_->runner().run(model_->network(call.member), call.shape, segments);
  endStep(segments);
  return report;
}

Session::Call Session::nextCall() const {
  const Batch& batch = batches_.front();
  const ModelDescription& description = model_->description();
  const Chunk& chunk = batch.chunks.front();
  return {batch.member,
          static_cast<int64_t>(batch.chunks.size()),
          {description.channels, description.sources, chunk.inputLength + chunk.zeroTail}};
}

std::vector<Segment> Session::beginStep() {
  if (stop_.load()) throw Error(ErrorCode::kAborted, "stopped");
  if (batches_.empty() || framesWanted() > 0 || framesReady() > 0) {
    throw Error(ErrorCode::kInternal, "a step was asked for before its audio was there");
  }
  compact();
  const Call call = nextCall();
  const int64_t length = call.shape.length;
  std::vector<Segment> segments;
  for (const Chunk& chunk : batches_.front().chunks) {
    segments.push_back({&stop_, [this, chunk, length](float* input) { fill(chunk, input, length); },
                        [this, chunk, call](const float* output) {
                          accumulate(chunk, call.member, output, call.shape.length);
                        }});
  }
  return segments;
}

void Session::endStep(const std::vector<Segment>& segments) {
  for (const Segment& segment : segments) {
    if (segment.error) std::rethrow_exception(segment.error);
  }
  batches_.pop_front();
  chunksDone_ += static_cast<int64_t>(segments.size());
  if (!batches_.empty()) return;

  // The first groups of a resumed plan may end before the frames that are wanted.
  const int64_t finalEnd = std::max(plan_.finalAfter(nextGroup_ - 1), finalEnd_);
  const float scale = static_cast<float>(statistics_.deviation + kDeviationFloor);
  const float mean = static_cast<float>(statistics_.mean);
  for (std::vector<float>& row : sums_) {
    for (int64_t f = finalEnd_ - sumsBase_; f < finalEnd - sumsBase_; ++f) {
      row[f] = row[f] * scale + mean;
    }
  }
  finalEnd_ = finalEnd;
  openNextGroup();
}

void Session::fill(const Chunk& chunk, float* samples, int64_t networkInput) const {
  const float mean = static_cast<float>(statistics_.mean);
  const float scale = static_cast<float>(statistics_.deviation + kDeviationFloor);
  const int64_t begin = std::max<int64_t>(chunk.inputStart, 0);
  const int64_t end = std::min(chunk.inputStart + chunk.inputLength, plan_.options().length);
  float* row = samples;
  for (const std::vector<float>& channel : input_) {
    for (int64_t f = begin; f < end; ++f) {
      row[f - chunk.inputStart] = (channel[f - inputBase_] - mean) / scale;
    }
    row += networkInput;
  }
}

void Session::accumulate(const Chunk& chunk, int member, const float* output,
                         int64_t outputLength) {
  const int channels = model_->description().channels;
  const std::vector<float> weights = plan_.frameWeights(chunk);
  const int64_t trim = (chunk.inputLength - chunk.length) / 2;
  const int64_t skip = std::max<int64_t>(plan_.options().resumeFrom - chunk.start, 0);
  const int64_t end = chunk.start + chunk.length;

  size_t rowIndex = 0;
  for (const int source : plan_.options().sources) {
    const float sourceWeight = static_cast<float>(plan_.sourceWeight(member, source));
    for (int channel = 0; channel < channels; ++channel, ++rowIndex) {
      std::vector<float>& row = sums_[rowIndex];
      if (static_cast<int64_t>(row.size()) < end - sumsBase_) row.resize(end - sumsBase_);
      // A member without weight in this source is left out, because NaN times 0 is NaN.
      if (sourceWeight == 0) continue;
      const float* samples = output + (source * channels + channel) * outputLength + trim;
      if (!allFinite(samples, chunk.length)) {
        const int rate = model_->description().sampleRate;
        throw Error(ErrorCode::kOutputNotFinite,
                    "Network " + std::to_string(member + 1) + " of " + model_->description().name +
                        " gave NaN or Inf in segment " + std::to_string(chunk.index + 1) + " (" +
                        seconds(std::max<int64_t>(chunk.start, 0), rate) + " to " +
                        seconds(end, rate) + ")");
      }
      // The frames before `skip` may lie before the row.
      float* sums = row.data();
      const int64_t offset = chunk.start - sumsBase_;
      for (int64_t i = skip; i < chunk.length; ++i) {
        sums[offset + i] += samples[i] * (weights[i] * sourceWeight);
      }
    }
  }
}

void Session::copyReady(int source, int64_t frames, const std::vector<float*>& destinations) const {
  const size_t channels = destinations.size();
  for (size_t channel = 0; channel < channels; ++channel) {
    if (statistics_.silent) {
      std::fill_n(destinations[channel], frames, 0.0f);
    } else {
      const std::vector<float>& row = sums_[source * channels + channel];
      std::copy_n(row.data() + (taken_ - sumsBase_), frames, destinations[channel]);
    }
  }
}

void Session::dropReady(int64_t frames) { taken_ += frames; }

}  // namespace oxboard
