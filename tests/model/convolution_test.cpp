// Which way a layer goes must not show in its numbers.

#include "pulmoseg/model/convolution.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "convolution_oracle.hpp"
#include "pulmoseg/model/pointwise_convolution.hpp"

namespace pulmoseg::model {
namespace {

using torch::Tensor;

TEST(PointwiseConvolution, EqualsThePlainOneInDouble) {
  torch::manual_seed(1);
  const Tensor weight = torch::randn({5, 3, 1, 1}, torch::kDouble);
  for (const auto format : {torch::MemoryFormat::Contiguous, torch::MemoryFormat::ChannelsLast}) {
    for (const std::int64_t grid : {1, 8, 13}) {
      const Tensor images = torch::randn({2, 3, grid, 9}, torch::kDouble).contiguous(format);
      const auto plain = [](const Tensor& x, const Tensor& w) { return torch::conv2d(x, w); };
      const test::Answer ours = test::answer_of(pointwise_convolution, images, weight),
                         expected = test::answer_of(plain, images, weight);
      EXPECT_LT(test::difference(ours.output, expected.output), 1e-11);
      EXPECT_LT(test::difference(ours.images_gradient, expected.images_gradient), 1e-11);
      EXPECT_LT(test::difference(ours.weight_gradient, expected.weight_gradient), 1e-11);
    }
  }
}

TEST(PointwiseConvolution, RefusesOtherShapes) {
  const Tensor images = torch::zeros({1, 2, 8, 8});
  EXPECT_THROW(pointwise_convolution(images, torch::zeros({3, 2, 3, 3})), c10::Error);
  EXPECT_THROW(pointwise_convolution(images, torch::zeros({3, 4, 1, 1})), c10::Error);
}

struct Layer {
  std::int64_t kernel, stride, dilation;
  bool bias;
};

TEST(Convolve, IsTheLayersOwnFunctionInBothNumberFormats) {
  namespace nn = torch::nn;
  torch::manual_seed(2);
  const Tensor images = torch::randn({2, 16, 20, 24});
  for (const Layer& layer : {Layer{1, 1, 1, false},
                             {1, 2, 1, false},
                             {1, 1, 1, true},
                             {3, 1, 1, false},
                             {3, 1, 1, true},
                             {3, 2, 1, false},
                             {3, 1, 4, false},
                             {3, 1, 12, false},
                             {7, 2, 1, false}}) {
    const auto label = ::testing::Message()
                       << layer.kernel << " stride " << layer.stride << " dilation " << layer.dilation;
    nn::Conv2d conv(nn::Conv2dOptions(16, 8, layer.kernel)
                        .stride(layer.stride)
                        .padding(layer.dilation * (layer.kernel - 1) / 2)
                        .dilation(layer.dilation)
                        .bias(layer.bias));
    const Tensor expected = conv(images);
    EXPECT_LT(test::difference(convolve(*conv, images), expected), 1e-5) << label;
    test::under_bfloat16([&] {
      const Tensor rounded = convolve(*conv, images);
      EXPECT_EQ(rounded.scalar_type(), torch::kBFloat16) << label;
      EXPECT_LT(test::difference(rounded.to(torch::kFloat32), expected), 0.03) << label;
    });
  }
}

}  // namespace
}  // namespace pulmoseg::model
