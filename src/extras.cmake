# Files that a room embeds, one line a room.
include(app/extras.cmake OPTIONAL)
include(bootstrap/extras.cmake OPTIONAL)
include(cli/extras.cmake OPTIONAL)
include(sandbox/extras.cmake OPTIONAL)
