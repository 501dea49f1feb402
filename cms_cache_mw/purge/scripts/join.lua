-- ARGV: new epoch, identity mode, claimed epoch, claimed position, claimed tip
local epoch = kind(meta) == 'hash' and redis.call('HGET', meta, 'epoch')
local seq = epoch and same(epoch, ARGV[2])
if not seq or (ARGV[3] == epoch and not contains(seq, tonumber(ARGV[4]), ARGV[5])) then
  epoch, seq = ARGV[1], 1
  redis.call('DEL', unpack(KEYS))
  redis.call('HSET', meta, 'epoch', epoch, 'inc', identity(ARGV[2]), 'seq', seq, 'tip', epoch, 'floor', 0)
  for _, key in ipairs({tags, soft, acks}) do redis.call('ZADD', key, '+inf', '@' .. epoch) end
  redis.call('XADD', log, id(seq), 'n', epoch, 'k', 'noop', 't', '', 'g', '0')
  redis.call('XADD', low, id(seq), 'e', epoch)
end
local have = redis.call('HMGET', meta, 'tip', 'floor', 'settled')
return {epoch, seq, have[1], tonumber(have[2]), have[3] and 1 or 0}
