#!lua flags=allow-oom
-- Unregisters the workers that cannot hold a lease any more, after every lease granted before purge `p` has ended: those
-- that neither acknowledged it nor were granted a lease at it or later.
-- ARGV: epoch, identity mode, p
local clock = unbroken(ARGV[1], ARGV[2])
if not clock then return {'EPOCH'} end
local p, gone = tonumber(ARGV[3]), {}
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', acks, '-inf', '(' .. ARGV[3])) do
  local granted = redis.call('ZSCORE', grants, worker)
  if not granted or tonumber(granted) < p then
    unregister(worker)
    gone[#gone + 1] = worker
  end
end
advance(clock)
return {'OK', gone}
