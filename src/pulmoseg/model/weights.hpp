#pragma once
// Files of weights: PyTorch's .pth (torch.save of a state_dict, zip format, PyTorch 1.6 and later) and .safetensors
// (https://huggingface.co/docs/safetensors, format of the header). Neither ever runs code: see pickle.hpp. Also .onnx, as
// export_onnx.hpp makes it, which is only read: its weights are those of the network that was exported, int8 kernels
// multiplied out.
//
// Errors: pulmoseg::Error that names the file, for anything that is not whole and plain.
// Threads: functions of their arguments.

#include <filesystem>

#include "pulmoseg/model/state_dict.hpp"

namespace pulmoseg::model {

/// The tensors of a file in its own number format (float16, bfloat16, float64 … are kept; loading into a network
/// converts). A file named .safetensors or .onnx is read as such, any other as PyTorch's. A state dict may lie inside a
/// checkpoint under "model", "state_dict" or "model_state_dict"; the prefixes of DistributedDataParallel ("module.")
/// and torch.compile ("_orig_mod.") are taken off. Tensors that shared a storage in the file share it here.
StateDict read_weights(const std::filesystem::path& file);

/// Writes .pth (or .pt) or .safetensors by the name of the file, whole or not at all. A .pth opens with
/// torch.load(weights_only=True) as an OrderedDict. Tensors are written dense and in order, each with its own storage.
/// UsageError for another name.
void write_weights(const StateDict& state, const std::filesystem::path& file);

}  // namespace pulmoseg::model
