-- Whether an entry older than what the worker remembers is still valid; the answer is the position it was validated at.
-- ARGV: epoch, identity mode, base, fingerprints
local seq = same(ARGV[1], ARGV[2])
if not seq then return {'EPOCH'} end
local base, prints = tonumber(ARGV[3]), ARGV[4]
if base < tonumber(redis.call('HGET', meta, 'floor')) then return {'STALE'} end
for _, key in ipairs({tags, soft}) do
  for i = 1, #prints, 8 do
    local purged = redis.call('ZSCORE', key, string.sub(prints, i, i + 7))
    if purged and tonumber(purged) > base then return {'STALE'} end
  end
end
return {'OK', seq}
