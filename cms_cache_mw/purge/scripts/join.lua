#!lua flags=allow-oom
-- The epoch in force, or a new one where the history is broken or does not contain what the caller claims to know of it.
-- ARGV: new epoch, identity mode, claimed epoch, claimed position, claimed tip, the caller's lease in ms
local mode = ARGV[2]
local who = identity(mode)
if not who then return {'NOIDENTITY'} end
local clock = unbroken(false, mode)
if clock and (ARGV[3] ~= clock.epoch or contains(clock, tonumber(ARGV[4]), ARGV[5])) then
  return {'OK', clock.epoch, clock.seq, clock.tip, clock.floor}
end
-- Leases of the old epoch may still run: the new one is not settled before the longest of them has ended.
local lease = tonumber(ARGV[6])
local before = redis.pcall('ZRANGE', leases, -1, -1, 'WITHSCORES')
if not before.err and before[2] then lease = math.max(lease, tonumber(before[2])) end
local unsettled = redis.pcall('HMGET', meta, 'lease', 'settled')
if not unsettled.err and not unsettled[2] then lease = math.max(lease, tonumber(unsettled[1] or '') or 0) end
local epoch = ARGV[1]
redis.call('UNLINK', unpack(KEYS, 1, 8))
-- The floor is 1, so that base 0 is never valid.
redis.call('HSET', meta, 'epoch', epoch, 'inc', who, 'seq', 1, 'tip', epoch, 'floor', 1, 'low', 1, 'lease', lease)
for _, key in ipairs(marked) do
  redis.call('ZADD', key, key == leases and 0 or '+inf', '@' .. epoch)
end
redis.call('XADD', log, id(1), 'n', epoch, 'e', epoch, 'k', 'noop', 't', '', 'g', '0')
redis.call('XADD', low, id(1), 'e', epoch)
return {'OK', epoch, 1, epoch, 1}
