#include "pulmoseg/model/dilated_convolution.hpp"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include <algorithm>
#include <array>
#include <vector>

#include "pulmoseg/model/autocast.hpp"

namespace pulmoseg::model {
namespace {

using torch::Tensor;

/// A stretch of one axis in which the same of the three taps, at distances -rate, 0 and rate, lie inside the picture.
struct Stretch {
  std::int64_t begin, end;           ///< of the output
  std::int64_t first_tap, last_tap;  ///< 0 … 2
};

/// A negative rate turns the kernel round: the first tap lies behind.
std::vector<Stretch> stretches(std::int64_t extent, std::int64_t rate) {
  const std::int64_t distance = std::min(std::abs(rate), extent);
  std::array<std::int64_t, 4> borders{0, distance, extent - distance, extent};
  std::ranges::sort(borders);
  const auto inside = [extent](std::int64_t pixel) { return pixel >= 0 && pixel < extent; };
  std::vector<Stretch> found;
  for (std::size_t i = 0; i + 1 < borders.size(); ++i) {
    const std::int64_t begin = borders[i], end = borders[i + 1];
    if (begin < end) found.push_back({begin, end, inside(begin - rate) ? 0 : 1, inside(begin + rate) ? 2 : 1});
  }
  return found;
}

/// What the taps of a rectangle see: N x rows x columns x (taps * C), from N x H x W x C.
Tensor gather(const Tensor& pixels, const Stretch& rows, const Stretch& columns, std::int64_t rate) {
  std::vector<Tensor> seen;
  for (std::int64_t i = rows.first_tap; i <= rows.last_tap; ++i) {
    for (std::int64_t j = columns.first_tap; j <= columns.last_tap; ++j) {
      const std::int64_t down = (i - 1) * rate, right = (j - 1) * rate;
      seen.push_back(
          pixels.slice(1, rows.begin + down, rows.end + down).slice(2, columns.begin + right, columns.end + right));
    }
  }
  return seen.size() == 1 ? seen.front() : torch::cat(seen, 3);
}

/// pixels N x H x W x C, through a kernel with `channels` channels behind it: N x H x W x channels. matrix(rows, columns) are
/// the live taps of a rectangle, (taps * C) x channels.
template <class Matrix>
Tensor correlate(const Tensor& pixels, std::int64_t channels, std::int64_t rate, const Matrix& matrix) {
  const auto part = [&](const Stretch& rows, const Stretch& columns) {
    const Tensor seen = gather(pixels, rows, columns, rate);
    return torch::mm(seen.reshape({-1, seen.size(3)}), matrix(rows, columns))
        .view({seen.size(0), seen.size(1), seen.size(2), channels});
  };
  const auto all_rows = stretches(pixels.size(1), rate), all_columns = stretches(pixels.size(2), rate);
  if (all_rows.size() == 1 && all_columns.size() == 1) return part(all_rows[0], all_columns[0]);
  Tensor answer = torch::empty({pixels.size(0), pixels.size(1), pixels.size(2), channels}, pixels.options());
  for (const Stretch& rows : all_rows) {
    for (const Stretch& columns : all_columns)
      answer.slice(1, rows.begin, rows.end).slice(2, columns.begin, columns.end).copy_(part(rows, columns));
  }
  return answer;
}

/// The live taps of a kernel O x 3 x 3 x C.
Tensor live_taps(const Tensor& kernel, const Stretch& rows, const Stretch& columns) {
  return kernel.slice(1, rows.first_tap, rows.last_tap + 1).slice(2, columns.first_tap, columns.last_tap + 1);
}

/// The gradient of the kernel, O x 3 x 3 x C: each tap from the pixels for which it is inside the picture.
Tensor kernel_gradient(const Tensor& pixels, const Tensor& answer_gradient, std::int64_t rate) {
  const std::int64_t height = pixels.size(1), width = pixels.size(2);
  Tensor gradient = torch::zeros({answer_gradient.size(3), 3, 3, pixels.size(3)}, pixels.options());
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t j = 0; j < 3; ++j) {
      const std::int64_t down = (i - 1) * rate, right = (j - 1) * rate;
      const std::int64_t rows = height - std::abs(down), columns = width - std::abs(right);
      if (rows <= 0 || columns <= 0) continue;
      const auto window = [&](const Tensor& of, std::int64_t row, std::int64_t column) {
        return of.slice(1, row, row + rows).slice(2, column, column + columns).reshape({-1, of.size(3)});
      };
      const Tensor seen = window(pixels, std::max<std::int64_t>(down, 0), std::max<std::int64_t>(right, 0));
      const Tensor seeing =
          window(answer_gradient, std::max<std::int64_t>(-down, 0), std::max<std::int64_t>(-right, 0));
      gradient.select(1, i).select(1, j).copy_(torch::mm(seeing.t(), seen));
    }
  }
  return gradient;
}

Tensor channels_to_the_end(const Tensor& images) { return images.permute({0, 2, 3, 1}).contiguous(); }
Tensor channels_to_the_front(const Tensor& pixels) { return pixels.permute({0, 3, 1, 2}); }

struct DilatedConvolution : torch::autograd::Function<DilatedConvolution> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& images, const Tensor& weight,
                        std::int64_t rate) {
    context->save_for_backward({images, weight});
    context->saved_data["rate"] = rate;
    const Tensor kernel = channels_to_the_end(weight);
    const auto matrix = [&](const Stretch& rows, const Stretch& columns) {
      return live_taps(kernel, rows, columns).reshape({kernel.size(0), -1}).t();
    };
    return channels_to_the_front(correlate(channels_to_the_end(images), kernel.size(0), rate, matrix));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &images = saved[0], &weight = saved[1];
    const std::int64_t rate = context->saved_data["rate"].toInt();
    const Tensor gradient = channels_to_the_end(gradients[0]);
    Tensor images_gradient, weight_gradient;
    if (context->needs_input_grad(0)) {  // the pixel at a tap's distance sees us through that tap
      const Tensor kernel = channels_to_the_end(weight);
      const auto matrix = [&](const Stretch& rows, const Stretch& columns) {
        return live_taps(kernel, rows, columns).permute({1, 2, 0, 3}).reshape({-1, kernel.size(3)});
      };
      images_gradient = channels_to_the_front(correlate(gradient, kernel.size(3), -rate, matrix));
    }
    if (context->needs_input_grad(1)) {
      weight_gradient = channels_to_the_front(kernel_gradient(channels_to_the_end(images), gradient, rate));
    }
    return {images_gradient, weight_gradient, {}};
  }
};

}  // namespace

Tensor dilated_convolution(const Tensor& images, const Tensor& weight, std::int64_t rate) {
  TORCH_CHECK(images.dim() == 4 && weight.dim() == 4 && weight.size(2) == 3 && weight.size(3) == 3 &&
                  weight.size(1) == images.size(1) && rate > 0,
              "dilated_convolution: images ", images.sizes(), ", weight ", weight.sizes(), ", rate ", rate);
  return under_autocast(images.device().type(),
                        [&](const auto& cast) { return DilatedConvolution::apply(cast(images), cast(weight), rate); });
}

}  // namespace pulmoseg::model
