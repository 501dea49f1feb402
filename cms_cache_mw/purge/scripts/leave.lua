#!lua flags=allow-oom
-- Unregisters a worker that has stopped serving from its cache.
-- ARGV: epoch, identity mode, worker
local clock = unbroken(ARGV[1], ARGV[2])
if not clock then return {'EPOCH'} end
unregister(ARGV[3])
advance(clock)
return {'OK'}
