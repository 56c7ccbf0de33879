#pragma once
// What `pulmoseg segment` is told on its command line.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common.hpp"
#include "pacs_options.hpp"
#include "pulmoseg/inference/segment.hpp"
#include "pulmoseg/masks/refine.hpp"
#include "segment_inputs.hpp"
#include "segment_plan.hpp"

namespace pulmoseg::cli {

/// As they were given; what follows from them, settle() puts in.
struct SegmentArguments {
  std::vector<std::filesystem::path> inputs, lung_masks, models;
  SegmentPlan plan;
  inference::EngineOptions engine{.precision = "auto", .threads = 0};
  PacsOptions pacs;
  std::string format;  ///< "": what fits the other options
  std::string shard = "1/1", slices;
  inference::SliceRange wanted;
  int workers = 1;
  masks::RefineOptions refinement;
  bool as_found = false;
  bool json = false;
};

/// The options with their manual.
void add_segment_options(CLI::App& command, SegmentArguments& arguments);

/// Completes the plan and `wanted`, and gives the scans. UsageError for options that contradict each other.
std::vector<SegmentInput> settle(SegmentArguments& arguments);

}  // namespace pulmoseg::cli
