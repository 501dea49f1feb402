#!lua
-- Gives a purge the next number. Without memory left Redis refuses it as a whole: nothing is recorded then.
-- ARGV: identity mode, nonce, kind, grace in ms, most records, log length, fingerprints of eight bytes each,
-- lines kept for people, the line about this purge or nothing. KEYS: after the clock's the log for people
local clock = unbroken(false, ARGV[1])
if not clock then return {'EPOCH'} end
local prints, key, most = ARGV[7], ARGV[3] == 'soft' and soft or tags, tonumber(ARGV[5])
local seq = clock.seq + 1
redis.call('XADD', log, 'MAXLEN', '~', ARGV[6], id(seq), 'n', ARGV[2], 'e', clock.epoch, 'k', ARGV[3], 't', prints, 'g', ARGV[4])
redis.call('HSET', meta, 'seq', seq, 'tip', ARGV[2])
for from = 1, #prints, 8000 do
  local pairs_ = {}
  for i = from, math.min(from + 7999, #prints), 8 do
    pairs_[#pairs_ + 1] = seq
    pairs_[#pairs_ + 1] = string.sub(prints, i, i + 7)
  end
  redis.call('ZADD', key, unpack(pairs_))
end
if (ARGV[9] or '') ~= '' then
  -- Whatever is wrong with that log is nothing to the purge.
  redis.pcall('XADD', KEYS[9], 'MAXLEN', '~', ARGV[8], '*', 'p', clock.epoch .. '/' .. string.format('%.0f', seq), 'r', ARGV[9])
end
local excess = #prints > 0 and redis.call('ZCARD', key) - 1 - most or 0
if excess > 0 then
  -- What is forgotten raises the floor: older entries become unknown, which is a miss. The mark has the highest score.
  local popped = redis.call('ZPOPMIN', key, excess + math.floor(most / 100))
  redis.call('HSET', meta, 'floor', math.max(clock.floor, tonumber(popped[#popped])))
end
clock.seq = seq
return {'OK', clock.epoch, seq, advance(clock), clock.settled, longest(clock)}
