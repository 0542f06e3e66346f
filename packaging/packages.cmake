# Two Debian packages: `framering` (programs, units, man pages, completions), `libframering-dev` (the library).
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_VENDOR "The Framering authors")
set(CPACK_PACKAGE_CONTACT "The Framering authors <maintainers@framering.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "desktop frames that many processes read in place")
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL daemon command library)
set(CPACK_COMPONENT_DAEMON_GROUP programs)
set(CPACK_COMPONENT_COMMAND_GROUP programs)
set(CPACK_COMPONENT_LIBRARY_GROUP development)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_PROGRAMS_PACKAGE_NAME framering)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SECTION video)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_DEPENDS "systemd, init-system-helpers (>= 1.54)")
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SUGGESTS libframering-dev)
set(CPACK_DEBIAN_PROGRAMS_DESCRIPTION
"frameringd has the X server write each changed picture straight into a ring of
frames in shared or GPU memory. Any number of processes map that ring once;
from then on a frame costs them no copy, no message and no system call.
.
This package holds the daemon with its systemd units, and the command
framering, which lists, saves and watches what it captures.")
set(scripts ${CMAKE_CURRENT_SOURCE_DIR}/debian)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_CONTROL_EXTRA
  ${scripts}/conffiles ${scripts}/postinst ${scripts}/prerm ${scripts}/postrm)

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libframering-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libstdc++-12-dev | libstdc++-dev")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION
"frameringd has the X server write each changed picture straight into a ring of
frames in shared or GPU memory, which any number of processes read in place.
.
This package holds the C++20 client library, its headers, and what CMake and
pkg-config need to find it.")

# What every Debian package says of itself.
configure_file(debian/changelog.in debian-changelog @ONLY)
add_gzipped(${CMAKE_CURRENT_BINARY_DIR}/debian-changelog changelog.Debian changelog_zipped)
add_gzipped(${PROJECT_SOURCE_DIR}/CHANGELOG.md changelog changes_zipped)
foreach(package framering libframering-dev)
  set(component daemon)
  if(package STREQUAL libframering-dev)
    set(component library)
  endif()
  install(FILES ${changelog_zipped} ${changes_zipped} debian/copyright
          DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT ${component})
endforeach()

include(CPack)
cpack_add_component_group(programs)
cpack_add_component_group(development)
