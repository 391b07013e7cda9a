"""The small protocol: an endpoint is whatever plays one or more of these roles.

Roles are apart, because few endpoints play all: an operation appears where it works. Items flow through
iterators, one at a time. A role raises what its endpoint raises (DianaError, or the client's MeshError) when
the whole cannot go on; what is wrong with one item is that item's `failure`, and the rest go on.

`endpoint`, `items` and `query` are for all endpoints; the other modules have what one kind of service does beside, or
what few kinds share (`proxy`, `study_metadata`, `telling`).
"""
