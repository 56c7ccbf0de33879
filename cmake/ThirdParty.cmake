# Every third-party library, each behind one target. Which room may use which stands in the room's own CMakeLists.txt.
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(OpenSSL REQUIRED)  # SHA-256; certificates
find_package(ZLIB REQUIRED)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

# protozero is header-only and has no CMake package.
find_path(PROTOZERO_INCLUDE_DIR protozero/pbf_writer.hpp REQUIRED)
add_library(pulmoseg_protozero INTERFACE)
target_include_directories(pulmoseg_protozero SYSTEM INTERFACE ${PROTOZERO_INCLUDE_DIR})

if(PULMOSEG_IMAGING)
  pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo)
  add_library(pulmoseg_cairo INTERFACE)
  target_link_libraries(pulmoseg_cairo INTERFACE PkgConfig::CAIRO)

  # DCMTK: what every room of DICOM needs; rooms name the further libraries that they need (dcmjpeg, dcmsr, dcmnet …).
  # Its own CMake package demands the headers of what it is itself linked to.
  find_path(DCMTK_INCLUDE_DIR dcmtk/dcmdata/dctk.h REQUIRED)
  add_library(pulmoseg_dcmtk INTERFACE)
  target_include_directories(pulmoseg_dcmtk SYSTEM INTERFACE ${DCMTK_INCLUDE_DIR})
  target_link_libraries(pulmoseg_dcmtk INTERFACE dcmdata oflog ofstd)
  # JPEG 2000, which DCMTK leaves out.
  pkg_check_modules(OPENJPEG REQUIRED IMPORTED_TARGET libopenjp2)
  add_library(pulmoseg_openjpeg INTERFACE)
  target_link_libraries(pulmoseg_openjpeg INTERFACE PkgConfig::OPENJPEG)
  # gzip: zlib packs, ISA-L unpacks, four times as fast.
  pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
  add_library(pulmoseg_isal INTERFACE)
  target_link_libraries(pulmoseg_isal INTERFACE PkgConfig::ISAL)
  # ZIP files.
  find_package(LibArchive REQUIRED)
  add_library(pulmoseg_archive INTERFACE)
  target_link_libraries(pulmoseg_archive INTERFACE LibArchive::LibArchive)

  # DICOMweb.
  find_package(CURL REQUIRED)

  find_package(OpenVINO REQUIRED COMPONENTS Runtime PATHS ${PULMOSEG_DEPS}/openvino/cmake NO_DEFAULT_PATH)
endif()

if(PULMOSEG_TRAINING)
  include(Torch)
  # LibTorch holds Gloo's code, but its wheel lacks the headers that c10d's headers name. None of it is to be compiled here.
  find_path(GLOO_INCLUDE_DIR gloo/algorithm.h REQUIRED)
  add_library(pulmoseg_gloo_headers INTERFACE)
  target_include_directories(pulmoseg_gloo_headers SYSTEM INTERFACE ${GLOO_INCLUDE_DIR})
  target_compile_definitions(pulmoseg_gloo_headers INTERFACE USE_C10D_GLOO)
  # NCCL, where the wheel is the CUDA build: the wheels beside it hold the headers, no CUDA toolkit is needed.
  find_library(TORCH_CUDA torch_cuda PATHS ${PULMOSEG_TORCH_ROOT}/lib NO_DEFAULT_PATH)
  if(TORCH_CUDA)
    find_library(C10_CUDA c10_cuda PATHS ${PULMOSEG_TORCH_ROOT}/lib NO_DEFAULT_PATH REQUIRED)
    find_path(NCCL_INCLUDE_DIR nccl.h PATHS ${PULMOSEG_DEPS}/nvidia/nccl/include REQUIRED)
    find_path(CUDA_INCLUDE_DIR crt/host_config.h PATHS ${PULMOSEG_DEPS}/nvidia/cu13/include REQUIRED)
    add_library(pulmoseg_torch_cuda INTERFACE)
    target_include_directories(pulmoseg_torch_cuda SYSTEM INTERFACE ${NCCL_INCLUDE_DIR} ${CUDA_INCLUDE_DIR})
    target_compile_definitions(pulmoseg_torch_cuda INTERFACE USE_C10D_NCCL)
    target_link_libraries(pulmoseg_torch_cuda INTERFACE pulmoseg_torch ${TORCH_CUDA} ${C10_CUDA})
  endif()
endif()

if(PULMOSEG_TESTS)
  find_package(GTest REQUIRED)
endif()

# The wheels may lie under the source folder, where CMAKE_INSTALL_RPATH_USE_LINK_PATH does not look.
list(APPEND CMAKE_INSTALL_RPATH ${PULMOSEG_DEPS}/torch/lib ${PULMOSEG_DEPS}/openvino/libs)
