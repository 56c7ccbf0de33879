# A room is one folder under src/pulmoseg/ and one shared library. Its include path shows only the rooms that it USES, so
# an include against the direction of the arrows (docs/ARCHITECTURE.md) does not compile.
include(CMakePackageConfigHelpers)
set_property(GLOBAL PROPERTY PULMOSEG_ROOMS "")

# LibTorch's headers take a minute and 2 GB to compile, so the two that most files need are compiled once; a file includes what
# else it needs. (What a precompiled header's inline functions use, GCC instantiates again in each file: 11 seconds of <torch/torch.h>
# where it is 6 of these.) The target that owns them has no definitions of its own: GCC refuses a precompiled header
# in a target that lacks one.
if(PULMOSEG_TRAINING)
  file(CONFIGURE OUTPUT torch_header.cpp CONTENT "")
  add_library(pulmoseg_torch_header OBJECT ${CMAKE_CURRENT_BINARY_DIR}/torch_header.cpp)
  target_link_libraries(pulmoseg_torch_header PRIVATE pulmoseg_torch pulmoseg_warnings)
  target_precompile_headers(pulmoseg_torch_header PRIVATE <torch/types.h> <torch/nn/module.h>)
endif()

function(pulmoseg_room name)
  cmake_parse_arguments(ROOM "TORCH" "" "SOURCES;USES;LIBRARIES" ${ARGN})
  set(target pulmoseg_${name})
  set(doorway ${PROJECT_BINARY_DIR}/rooms/${name})  # holds pulmoseg/<name> and nothing else
  file(MAKE_DIRECTORY ${doorway}/pulmoseg)
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${doorway}/pulmoseg/${name} SYMBOLIC)

  add_library(${target} SHARED ${ROOM_SOURCES})
  add_library(pulmoseg::${name} ALIAS ${target})
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${doorway}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  list(TRANSFORM ROOM_USES PREPEND pulmoseg::)
  target_link_libraries(${target} PUBLIC ${ROOM_USES} PRIVATE $<BUILD_INTERFACE:pulmoseg_warnings> ${ROOM_LIBRARIES})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_link_options(${target} PRIVATE -Wl,--no-undefined)
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} DEFINE_SYMBOL "" SOVERSION ${PROJECT_VERSION_MAJOR})
  if(ROOM_TORCH)  # torch types stand in these rooms' headers
    target_link_libraries(${target} PUBLIC pulmoseg_torch)
    target_precompile_headers(${target} REUSE_FROM pulmoseg_torch_header)
  endif()
  install(TARGETS ${target} EXPORT pulmoseg LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/pulmoseg/${name}
    FILES_MATCHING PATTERN "*.hpp")
  set_property(GLOBAL APPEND PROPERTY PULMOSEG_ROOMS ${name})
endfunction()

# One test program a room: tests mirror the folders of src/pulmoseg/.
function(pulmoseg_test name)
  cmake_parse_arguments(TEST "TORCH" "" "SOURCES;USES;LIBRARIES" ${ARGN})
  set(target ${name}_test)
  add_executable(${target} ${TEST_SOURCES})
  list(TRANSFORM TEST_USES PREPEND pulmoseg::)
  target_link_libraries(${target} PRIVATE pulmoseg_warnings pulmoseg_test_support ${TEST_USES} ${TEST_LIBRARIES}
    GTest::gtest_main)
  if(TEST_TORCH)
    target_precompile_headers(${target} REUSE_FROM pulmoseg_torch_header)
    if(PULMOSEG_SANITIZE)  # they keep GCC from following LibTorch's default arguments, and it warns falsely
      target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
    endif()
  endif()
  if(PULMOSEG_SANITIZE)  # without the first, OpenVINO's oneTBB opens its helpers with RTLD_DEEPBIND, which ASan forbids
    set(environment ENVIRONMENT TBB_ENABLE_SANITIZERS=1
      ENVIRONMENT_MODIFICATION
      "LSAN_OPTIONS=set:suppressions='${PROJECT_SOURCE_DIR}/tests/lsan.supp':print_suppressions=0")
  endif()
  include(GoogleTest)
  gtest_discover_tests(${target} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 600 ${environment})
endfunction()
