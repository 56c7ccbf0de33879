#include <torch/torch.h>  // inference/ runs on OpenVINO alone
