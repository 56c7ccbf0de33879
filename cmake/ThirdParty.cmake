# Every third-party library, each behind one target. Which room may use which stands in the room's own CMakeLists.txt.
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
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

  # ITK's image formats are named in code, so its factory registration (UseITK.cmake) is not wanted.
  find_package(ITK REQUIRED COMPONENTS ITKCommon ITKIOImageBase ITKIOGDCM)
  add_library(pulmoseg_itk INTERFACE)
  target_include_directories(pulmoseg_itk SYSTEM INTERFACE ${ITK_INCLUDE_DIRS})
  target_link_libraries(pulmoseg_itk INTERFACE ${ITK_LIBRARIES})

  find_package(OpenVINO REQUIRED COMPONENTS Runtime PATHS ${PULMOSEG_DEPS}/openvino/cmake NO_DEFAULT_PATH)
endif()

if(PULMOSEG_TRAINING)
  include(Torch)
  # LibTorch holds Gloo's code, but its wheel lacks the headers that c10d's headers name. None of it is to be compiled here.
  find_path(GLOO_INCLUDE_DIR gloo/algorithm.h REQUIRED)
  add_library(pulmoseg_gloo_headers INTERFACE)
  target_include_directories(pulmoseg_gloo_headers SYSTEM INTERFACE ${GLOO_INCLUDE_DIR})
  target_compile_definitions(pulmoseg_gloo_headers INTERFACE USE_C10D_GLOO)
endif()

if(PULMOSEG_TESTS)
  find_package(GTest REQUIRED)
endif()

# The wheels may lie under the source folder, where CMAKE_INSTALL_RPATH_USE_LINK_PATH does not look.
list(APPEND CMAKE_INSTALL_RPATH ${PULMOSEG_DEPS}/torch/lib ${PULMOSEG_DEPS}/openvino/libs)
