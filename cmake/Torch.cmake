# LibTorch out of the Python wheel. TorchConfig.cmake of the CUDA wheel demands a CUDA toolkit, so the two libraries that
# we need are named here: the CPU and the CUDA wheel both work, and libtorch_cuda is opened at run time (--device cuda).
# The installed package includes this file as well.
set(PULMOSEG_TORCH_ROOT "${PULMOSEG_DEPS}/torch" CACHE PATH "The torch folder of the wheel (holds include/ and lib/)")
find_library(PULMOSEG_TORCH_CPU torch_cpu PATHS ${PULMOSEG_TORCH_ROOT}/lib NO_DEFAULT_PATH REQUIRED)
find_library(PULMOSEG_C10 c10 PATHS ${PULMOSEG_TORCH_ROOT}/lib NO_DEFAULT_PATH REQUIRED)
add_library(pulmoseg_torch INTERFACE IMPORTED GLOBAL)  # imported: what is installed refers to it by name
# The wheel's include folder also holds headers of fmt, protobuf and others, in other versions than the libraries that we
# link: only LibTorch's own are shown.
set(PULMOSEG_TORCH_DOORWAY ${CMAKE_CURRENT_BINARY_DIR}/torch-headers)
file(MAKE_DIRECTORY ${PULMOSEG_TORCH_DOORWAY})
foreach(folder ATen c10 caffe2 torch)
  file(CREATE_LINK ${PULMOSEG_TORCH_ROOT}/include/${folder} ${PULMOSEG_TORCH_DOORWAY}/${folder} SYMBOLIC)
endforeach()
target_include_directories(pulmoseg_torch SYSTEM INTERFACE
  ${PULMOSEG_TORCH_DOORWAY} ${PULMOSEG_TORCH_DOORWAY}/torch/csrc/api/include)
target_link_libraries(pulmoseg_torch INTERFACE ${PULMOSEG_TORCH_CPU} ${PULMOSEG_C10} Threads::Threads)
target_compile_definitions(pulmoseg_torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
