# `cmake --install`: the program, the libraries and their headers, and what
# find_package(Syncline) reads. To link: Syncline::syncline, a node; or
# Syncline::client, for programs that talk to one in another process.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Syncline)
set(headers ${CMAKE_INSTALL_INCLUDEDIR}/syncline)

install(TARGETS syncline_options syncline_base syncline_clock syncline_kv
    syncline_log syncline_proto_schema syncline_proto syncline_state
    syncline_replication syncline_peer syncline_mirror syncline_folder
    syncline_client syncline_node
  EXPORT SynclineTargets
  INCLUDES DESTINATION ${headers})
foreach(folder base clock kv log proto replication node)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION ${headers}
    FILES_MATCHING PATTERN "*.h" PATTERN "cli" EXCLUDE)
endforeach()
install(DIRECTORY ${PROJECT_BINARY_DIR}/schema/proto DESTINATION ${headers}
  FILES_MATCHING PATTERN "*.h")

install(EXPORT SynclineTargets NAMESPACE Syncline:: DESTINATION ${package})
configure_package_config_file(cmake/SynclineConfig.cmake.in
  ${PROJECT_BINARY_DIR}/SynclineConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/SynclineConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/SynclineConfig.cmake
  ${PROJECT_BINARY_DIR}/SynclineConfigVersion.cmake DESTINATION ${package})
