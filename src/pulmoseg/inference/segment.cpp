#include "pulmoseg/inference/segment.hpp"

#include <algorithm>
#include <deque>
#include <optional>

namespace pulmoseg::inference {
namespace {

/// A slice and what the network is shown for it: itself, or with its neighbours on either side.
struct Sample {
  volume::AxialSlice slice;
  bool computed = true;
  dataset::Appearance appearance;
  std::vector<float> input;  ///< channels x size x size
};

/// Reads a volume and prepares its slices; holds as many of them as a sample has channels.
class SampleStream {
 public:
  SampleStream(volume::VolumeReader& reader, const dataset::Preprocessing& preprocessing, const SliceRange& wanted)
      : reader_(reader),
        preprocessing_(preprocessing),
        wanted_(wanted),
        each_side_(static_cast<std::size_t>(preprocessing.neighbours)) {}

  std::optional<Sample> next() {
    while (more_ && held_.size() <= position_ + each_side_) read();
    if (position_ == held_.size()) return std::nullopt;
    Sample sample{.slice = std::move(held_[position_].slice),
                  .computed = held_[position_].computed,
                  .appearance = held_[position_].appearance,
                  .input = input_of(position_)};
    if (position_ < each_side_)
      ++position_;
    else
      held_.pop_front();
    return sample;
  }

 private:
  void read() {
    Sample one;
    if (!(more_ = reader_.next(one.slice))) return;
    const std::int64_t size = preprocessing_.size;
    upwards_ = held_.empty() ? upwards_ : one.slice.index > last_index_;
    last_index_ = one.slice.index;
    one.computed = wanted_.contains(one.slice.index) && dataset::holds_body(one.slice.pixels);
    one.input = dataset::preprocess(one.slice.pixels, one.slice.rows, one.slice.columns, preprocessing_);
    dataset::equalise(one.input, size, size, preprocessing_);
    one.appearance = dataset::appearance_of(one.input, size);
    dataset::normalise(one.input, preprocessing_);
    held_.push_back(std::move(one));
  }

  /// From the lowest slice to the highest, whatever the order in which they are stored. Beyond the ends, the last one.
  std::vector<float> input_of(std::size_t position) const {
    std::vector<float> input;
    for (std::size_t channel = 0; channel <= 2 * each_side_; ++channel) {
      const std::size_t place = position + (upwards_ ? channel : 2 * each_side_ - channel);
      const auto& image = held_[std::min(place - std::min(place, each_side_), held_.size() - 1)].input;
      input.insert(input.end(), image.begin(), image.end());
    }
    return input;
  }

  volume::VolumeReader& reader_;
  dataset::Preprocessing preprocessing_;
  SliceRange wanted_;
  std::size_t each_side_, position_ = 0;  ///< of the next sample in held_
  std::deque<Sample> held_;               ///< each with its own image alone
  std::int64_t last_index_ = 0;
  bool more_ = true, upwards_ = true;
};

/// Whatever ends a scan, nothing of it is left for the next one.
struct UnderWay {
  Engine& engine;
  ~UnderWay() { engine.abandon(); }
};

/// From the network's grid back to the slice's own.
SegmentedSlice finish(Sample&& sample, std::span<const float> probabilities, std::int64_t size) {
  volume::AxialSlice& slice = sample.slice;
  SegmentedSlice result{.index = slice.index,
                        .rows = slice.rows,
                        .columns = slice.columns,
                        .pixels = std::move(slice.pixels),
                        .probabilities = on_grid(probabilities, size, slice.rows, slice.columns),
                        .labels = {},
                        .computed = sample.computed,
                        .appearance = sample.appearance};
  result.labels = most_probable(result.probabilities, static_cast<std::size_t>(slice.rows * slice.columns));
  return result;
}

}  // namespace

std::vector<float> on_grid(std::span<const float> probabilities, std::int64_t size, std::int64_t rows,
                           std::int64_t columns) {
  const auto inner = static_cast<std::size_t>(size * size), pixels = static_cast<std::size_t>(rows * columns);
  const std::size_t classes = probabilities.size() / inner;
  std::vector<float> result(classes * pixels);
  for (std::size_t c = 0; c < classes; ++c) {
    dataset::resize_bilinear(probabilities.subspan(c * inner, inner), size, size,
                             std::span(result).subspan(c * pixels, pixels), rows, columns);
  }
  return result;
}

std::vector<std::uint8_t> most_probable(std::span<const float> probabilities, std::size_t pixels) {
  std::vector<std::uint8_t> labels(pixels, 0);
  std::vector<float> best(probabilities.begin(), probabilities.begin() + static_cast<std::ptrdiff_t>(pixels));
  for (std::size_t c = 1; c < probabilities.size() / pixels; ++c) {
    const auto candidate = probabilities.subspan(c * pixels, pixels);
    for (std::size_t i = 0; i < pixels; ++i) {  // without a branch: compilers make vector instructions of it
      const bool better = candidate[i] > best[i];
      labels[i] = better ? static_cast<std::uint8_t>(c) : labels[i];
      best[i] = better ? candidate[i] : best[i];
    }
  }
  return labels;
}

dataset::Preprocessing preprocessing_for(volume::VolumeReader& reader, const Engine& engine, const SliceRange& wanted) {
  const dataset::Preprocessing& preprocessing = engine.preprocessing();
  dataset::EqualisationChoice choice(preprocessing, engine.familiarity());
  if (!choice.is_open()) return choice.decide();
  volume::AxialSlice slice;
  for (int i = 0; const auto index = reader.next_index();) {
    if (!wanted.contains(*index) || i++ % 4 != 0) {
      reader.skip();
    } else {
      reader.next(slice);
      choice.add(dataset::preprocess(slice.pixels, slice.rows, slice.columns, preprocessing), preprocessing.size);
    }
  }
  reader.rewind();
  return choice.decide();
}

void segment(volume::VolumeReader& reader, Engine& engine, const dataset::Preprocessing& preprocessing,
             const std::function<void(const SegmentedSlice&)>& on_slice, const SliceRange& wanted) {
  const std::int64_t size = engine.preprocessing().size, classes = static_cast<std::int64_t>(engine.classes().size());
  SampleStream stream(reader, preprocessing, wanted);
  const UnderWay guard{engine};
  std::deque<Sample> samples;  // those under way: while they compute, others are read, and results are written
  std::vector<float> background(classes * size * size);
  std::fill_n(background.begin(), size * size, 1.0F);
  for (bool more = true;;) {
    while (more && std::ssize(samples) < engine.slices_in_flight()) {
      auto sample = stream.next();
      if (!(more = sample.has_value())) break;
      if (sample->computed) engine.start(sample->input);
      samples.push_back(std::move(*sample));
    }
    if (samples.empty()) return;
    std::vector<float> probabilities;
    if (samples.front().computed) {
      probabilities = engine.collect();
      softmax(probabilities, 1, classes, size * size);
    }
    on_slice(finish(std::move(samples.front()), probabilities.empty() ? background : probabilities, size));
    samples.pop_front();
  }
}

}  // namespace pulmoseg::inference
