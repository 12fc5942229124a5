# Debian packages and a tarball. `make package` configures for them: below /usr, with DMF_DEBIAN.

set(CPACK_PACKAGE_VENDOR "The dmf authors")
# Who answers for the packages: whoever builds them for others. The default is nobody's address (a reserved domain).
set(DMF_MAINTAINER "The dmf authors <dmf@example.org>" CACHE STRING "Maintainer of the Debian packages, Name <address>")
set(CPACK_PACKAGE_CONTACT "${DMF_MAINTAINER}")
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/packages")
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_COMPONENTS_ALL runtime dev)
# One tarball of everything, a .deb for each component.
set(CPACK_ARCHIVE_COMPONENT_INSTALL OFF)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(DMF_RUNTIME_PACKAGE "libdmf${DMF_ABI}")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME "${DMF_RUNTIME_PACKAGE}")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "Module framework's buffers and HID streaming, shared library
 The buffer, notification and streaming Modules of the Driver Module Framework
 for user-mode programs. This package has the shared library, and the udev rule
 that lets the user who is logged in at the machine open HID devices.")
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libdmf-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "${DMF_RUNTIME_PACKAGE} (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_DEV_DESCRIPTION "Module framework's buffers and HID streaming, for developers
 The buffer, notification and streaming Modules of the Driver Module Framework
 for user-mode programs. This package has the headers, the static library and
 what CMake and pkg-config need to find them.")
# The first line of a component's description would follow the project's.
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION "${CPACK_COMPONENT_RUNTIME_DESCRIPTION}")
set(CPACK_DEBIAN_DEV_DESCRIPTION "${CPACK_COMPONENT_DEV_DESCRIPTION}")

if(DMF_DEBIAN)
  foreach(package IN ITEMS "runtime:${DMF_RUNTIME_PACKAGE}" "dev:libdmf-dev")
    string(REGEX MATCH "^([a-z]+):(.*)$" found "${package}")
    set(doc "share/doc/${CMAKE_MATCH_2}")
    install(FILES data/debian-copyright RENAME copyright DESTINATION "${doc}" COMPONENT ${CMAKE_MATCH_1})
    install(FILES THIRD-PARTY-NOTICES DESTINATION "${doc}" COMPONENT ${CMAKE_MATCH_1})
  endforeach()
  # What a debugger would read stays with whoever builds.
  install(CODE "execute_process(COMMAND \"${CMAKE_STRIP}\" --strip-unneeded
    \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/${DMF_SHARED_FILE}\" COMMAND_ERROR_IS_FATAL ANY)"
    COMPONENT runtime)
  install(CODE "execute_process(COMMAND \"${CMAKE_STRIP}\" --strip-debug
    \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/libdmf.a\" COMMAND_ERROR_IS_FATAL ANY)"
    COMPONENT dev)
endif()
include(CPack)
