# What `cmake --install` puts below the prefix. Nothing in it names the prefix, so the result can be moved.

include(CMakePackageConfigHelpers)

install(FILES
  "${DMF_SHARED_LIBRARY}"
  "${CMAKE_CURRENT_BINARY_DIR}/${DMF_SONAME}"
  "${CMAKE_CURRENT_BINARY_DIR}/libdmf.so"
  "${DMF_STATIC_LIBRARY}"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY include/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/dmf")
configure_package_config_file(cmake/dmfConfig.cmake.in dmfConfig.cmake
  INSTALL_DESTINATION "${package_dir}"
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR
  NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/dmfConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/dmfConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/dmfConfigVersion.cmake"
  DESTINATION "${package_dir}")

file(RELATIVE_PATH DMF_PREFIX_FROM_PC "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" DMF_PREFIX_FROM_PC "${DMF_PREFIX_FROM_PC}")
configure_file(cmake/dmf.pc.in dmf.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/dmf.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

if(DMF_INSTALL_UDEV_RULE)
  set(udev_dir "lib/udev/rules.d")
else()
  set(udev_dir "${CMAKE_INSTALL_DATADIR}/dmf")
endif()
install(FILES data/udev/70-dmf-hid.rules DESTINATION "${udev_dir}")
install(FILES docs/man/stream_hid.1 docs/man/record_hid.1 DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
