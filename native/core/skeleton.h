// A network file of an archive, made of a graph and published weights. The graph is a skeleton (a
// TorchScript file whose parameters are views of one stored number) or TorchScript source.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "diffq.h"
#include "weights_file.h"

namespace oxboard {

struct SkeletonTask {
  std::string skeleton;  // path of the graph; empty with `script`
  std::string script;    // source of the methods of the graph, `forward` among them
  /** Shapes of the parameters that `script` uses, as attributes of `self`. */
  std::map<std::string, std::vector<int64_t>> shapes;
  std::string weights;  // path of the published file
  std::string out;      // path of the file to write, which must not exist
  /** What each parameter of the graph is filled with. */
  std::map<std::string, std::variant<StoredTensor, QuantisedTensor>> parameters;
};

/**
 * Fills every parameter and writes the network file, to the disk and not only to its cache. It
 * takes memory for the weights once. What is left after an error is removed.
 *
 * @throws Error kModelInvalid when the weights are damaged or not those of this skeleton,
 * kDiskFull and kOutputUnwritable, kOutOfMemory.
 */
void fillSkeleton(const SkeletonTask& task);

}  // namespace oxboard
