# One static library per room. `DEPS` names what the room may link; a room that does not list a library cannot
# reach its headers by accident, and tests/rooms checks the #include lines as well.
function(gpuwarden_room name)
  cmake_parse_arguments(ARG "" "PATH" "DEPS" ${ARGN})
  if(NOT ARG_PATH)
    set(ARG_PATH ${name})
  endif()
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/src/${ARG_PATH}/*.cpp")
  list(FILTER sources EXCLUDE REGEX "main\\.cpp$")
  if(sources)
    add_library(gw_${name} STATIC ${sources})
    target_include_directories(gw_${name} PUBLIC "${CMAKE_SOURCE_DIR}/include" PRIVATE "${CMAKE_SOURCE_DIR}/src/${ARG_PATH}")
    target_link_libraries(gw_${name} PUBLIC ${ARG_DEPS})
  else()
    add_library(gw_${name} INTERFACE)
    target_include_directories(gw_${name} INTERFACE "${CMAKE_SOURCE_DIR}/include")
    target_link_libraries(gw_${name} INTERFACE ${ARG_DEPS})
  endif()
endfunction()

# Makes text files part of a target: gpuwarden_embed(gw_x NAMESPACE gpuwarden::x VARIABLE kScripts FILES a.sh b.sql)
# gives `#include "<VARIABLE>.hpp"` with `inline constexpr EmbeddedFile <VARIABLE>[]{{name, text}, ...}`.
function(gpuwarden_embed target)
  cmake_parse_arguments(ARG "" "NAMESPACE;VARIABLE" "FILES" ${ARGN})
  set(out "${CMAKE_CURRENT_BINARY_DIR}/embedded_${target}/${ARG_VARIABLE}.hpp")
  string(REPLACE ";" "|" files "${ARG_FILES}")
  add_custom_command(
    OUTPUT "${out}"
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DNS=${ARG_NAMESPACE} -DVAR=${ARG_VARIABLE} "-DFILES=${files}"
            -P "${CMAKE_SOURCE_DIR}/src/cmake/embed.cmake"
    DEPENDS ${ARG_FILES} "${CMAKE_SOURCE_DIR}/src/cmake/embed.cmake"
    VERBATIM)
  target_sources(${target} PRIVATE "${out}")
  target_include_directories(${target} PRIVATE "${CMAKE_CURRENT_BINARY_DIR}/embedded_${target}")
endfunction()
