-- ARGV: epoch ('' for whichever is current), identity mode, nonce, kind, grace in ms, most records, log length, fingerprints
local epoch = ARGV[1]
if epoch == '' then epoch = kind(meta) == 'hash' and redis.call('HGET', meta, 'epoch') or '' end
local seq = same(epoch, ARGV[2])
if not seq then return {'EPOCH'} end
local prints, key = ARGV[8], ARGV[4] == 'soft' and soft or tags
seq = redis.call('HINCRBY', meta, 'seq', 1)
redis.call('HSET', meta, 'tip', ARGV[3])
local pairs_ = {}
for i = 1, #prints, 8 do
  pairs_[#pairs_ + 1] = seq
  pairs_[#pairs_ + 1] = string.sub(prints, i, i + 7)
  if #pairs_ == 1000 then redis.call('ZADD', key, unpack(pairs_)); pairs_ = {} end
end
if #pairs_ > 0 then redis.call('ZADD', key, unpack(pairs_)) end
redis.call('XADD', log, 'MAXLEN', '~', ARGV[7], id(seq), 'n', ARGV[3], 'k', ARGV[4], 't', prints, 'g', ARGV[5])
local excess = redis.call('ZCARD', key) - tonumber(ARGV[6])
if excess > 0 then
  -- What is forgotten raises the floor: older entries become unknown, which is a miss.
  local popped = redis.call('ZPOPMIN', key, excess + math.floor(tonumber(ARGV[6]) / 100))
  local floor = tonumber(popped[#popped])
  if floor == math.huge then
    redis.call('ZADD', key, '+inf', '@' .. epoch)
    floor = seq
  end
  if floor > tonumber(redis.call('HGET', meta, 'floor')) then redis.call('HSET', meta, 'floor', floor) end
end
local have = redis.call('HMGET', meta, 'settled', 'lease')
return {'OK', epoch, seq, advance(seq, epoch), have[1] and 1 or 0, tonumber(have[2] or '0')}
