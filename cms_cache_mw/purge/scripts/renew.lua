#!lua flags=allow-oom
-- The acknowledgement of a position and, if nothing is left to apply or all of it is in the reply, a lease. It writes, so a
-- primary that was cut off from its replicas refuses it.
-- ARGV: epoch, identity mode, position, tip, worker, its lease in ms, the longest lease that has ended since it knows the
-- epoch in ms, entries at once
local clock = unbroken(ARGV[1], ARGV[2])
local pos, worker = tonumber(ARGV[3]), ARGV[5]
if not clock or not contains(clock, pos, ARGV[4]) then return {'EPOCH'} end
redis.call('ZADD', acks, 'GT', pos, worker)
redis.call('ZADD', leases, ARGV[6], worker)
if clock.settled == 0 and tonumber(ARGV[7]) >= longest(clock) then redis.call('HSET', meta, 'settled', 1) end
advance(clock)
local list = {}
if pos < clock.seq then
  list = redis.call('XRANGE', log, id(pos + 1), '+', 'COUNT', ARGV[8])
  -- Numbers only grow: the last one tells whether any before it is missing.
  if #list == 0 or number(list[#list]) ~= pos + #list then
    return {'GAP', clock.seq, clock.tip}
  end
  if pos + #list < clock.seq then return {'MORE', clock.seq, list} end
end
-- The number granted at, not the acknowledgement: the worker has not applied the list yet, and EVICT looks at this.
redis.call('ZADD', grants, clock.seq, worker)
return {'LEASE', clock.seq, list}
