# The installed package: find_package(pulmoseg) gives pulmoseg::<room> for every room that was built.
get_property(PULMOSEG_ROOMS GLOBAL PROPERTY PULMOSEG_ROOMS)
set(PULMOSEG_CONFIG_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/pulmoseg)
if(PULMOSEG_TRAINING)
  install(FILES ${PROJECT_SOURCE_DIR}/cmake/Torch.cmake DESTINATION ${PULMOSEG_CONFIG_DIR})
endif()
install(EXPORT pulmoseg NAMESPACE pulmoseg:: DESTINATION ${PULMOSEG_CONFIG_DIR} FILE pulmosegTargets.cmake)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/pulmosegConfig.cmake.in
  ${PROJECT_BINARY_DIR}/pulmosegConfig.cmake INSTALL_DESTINATION ${PULMOSEG_CONFIG_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/pulmosegConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/pulmosegConfig.cmake ${PROJECT_BINARY_DIR}/pulmosegConfigVersion.cmake
  DESTINATION ${PULMOSEG_CONFIG_DIR})
