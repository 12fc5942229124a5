# What `cmake --install` puts below the prefix. Nothing in it names the prefix, so the result can be moved.

include(CMakePackageConfigHelpers)

install(FILES
  "${DMF_SHARED_LIBRARY}"
  "${CMAKE_CURRENT_BINARY_DIR}/${DMF_SONAME}"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT runtime)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/libdmf.so"
  "${DMF_STATIC_LIBRARY}"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dev)
install(DIRECTORY include/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT dev 
  FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
# For bindings in other languages.
install(FILES abi/abi.json DESTINATION "${CMAKE_INSTALL_DATADIR}/dmf" COMPONENT dev)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/dmf")
configure_package_config_file(cmake/dmfConfig.cmake.in dmfConfig.cmake
  INSTALL_DESTINATION "${package_dir}"
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR
  NO_CHECK_REQUIRED_COMPONENTS_MACRO)
configure_package_config_file(cmake/dmfTargets.cmake.in dmfTargets.cmake
  INSTALL_DESTINATION "${package_dir}"
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR
  NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/dmfConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/dmfConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/dmfConfigVersion.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/dmfTargets.cmake"
  DESTINATION "${package_dir}" COMPONENT dev)

# Folders below the prefix are named from the file's own place; absolute ones are as they are.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(DMF_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
  set(DMF_PC_LIBDIR "${CMAKE_INSTALL_LIBDIR}")
else()
  file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  string(REGEX REPLACE "/$" "" up "${up}")
  set(DMF_PC_PREFIX "\${pcfiledir}/${up}")
  set(DMF_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(DMF_PC_INCLUDEDIR "${CMAKE_INSTALL_INCLUDEDIR}")
else()
  set(DMF_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(cmake/dmf.pc.in dmf.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/dmf.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT dev)

if(DMF_INSTALL_UDEV_RULE OR DMF_DEBIAN)
  set(udev_dir "lib/udev/rules.d")
else()
  set(udev_dir "${CMAKE_INSTALL_DATADIR}/dmf")
endif()
# Of programs that are not packaged.
install(FILES docs/man/stream_hid.1 docs/man/record_hid.1 DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" COMPONENT man)
install(FILES data/udev/70-dmf-hid.rules DESTINATION "${udev_dir}" COMPONENT runtime)

# The licences, and those of the code that the library contains. The Debian packages have them where Debian wants them.
install(FILES LICENSE-MIT LICENSE-APACHE THIRD-PARTY-NOTICES
  DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/dmf" COMPONENT licences)

# What cmake wrote down when it installed last, taken away again.
configure_file(cmake/Uninstall.cmake.in Uninstall.cmake @ONLY)
if(PROJECT_IS_TOP_LEVEL)
  add_custom_target(uninstall COMMAND "${CMAKE_COMMAND}" -P "${CMAKE_CURRENT_BINARY_DIR}/Uninstall.cmake" VERBATIM)
endif()
