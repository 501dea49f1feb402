-- Shared by all scripts of the purge clock. A control key that is missing or of a wrong type means another history: no epoch.
local meta, tags, soft, log, acks, grants, low = unpack(KEYS)

local function identity(mode)
  if mode ~= 'info' then return mode end
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
  if not run or not replid then
    return error({err = 'NOIDENTITY INFO gives no run_id and master_replid'})
  end
  return run .. ':' .. replid
end

local function kind(key) return redis.call('TYPE', key).ok end

-- The sequence number if the clock's history is unbroken, else nil.
local function same(epoch, mode)
  if kind(meta) ~= 'hash' or kind(tags) ~= 'zset' or kind(soft) ~= 'zset' or kind(acks) ~= 'zset'
    or kind(log) ~= 'stream' then return nil end
  local g, l = kind(grants), kind(low)
  if (g ~= 'zset' and g ~= 'none') or (l ~= 'stream' and l ~= 'none') then return nil end
  local have = redis.call('HMGET', meta, 'epoch', 'inc', 'seq')
  if have[1] ~= epoch or have[2] ~= identity(mode) then return nil end
  local mark = '@' .. epoch
  if not redis.call('ZSCORE', tags, mark) or not redis.call('ZSCORE', soft, mark)
    or not redis.call('ZSCORE', acks, mark) then return nil end
  return tonumber(have[3])
end

local function id(seq) return string.format('%.0f-0', seq) end

local function first_logged()
  local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  return first and tonumber(string.match(first[1], '^%d+'))
end

-- Whether this history contains the purge `tip` at `pos`; a trimmed position is believed.
local function contains(seq, pos, tip)
  if pos > seq then return false end
  if pos == seq then return redis.call('HGET', meta, 'tip') == tip end
  local at = redis.call('XRANGE', log, id(pos), id(pos))[1]
  if not at then local first = first_logged(); return not first or pos < first end
  local fields = at[2]
  for i = 1, #fields, 2 do if fields[i] == 'n' then return fields[i + 1] == tip end end
  return false
end

-- Publishes the smallest acknowledged position, which never falls within an epoch, and returns it.
local function advance(seq, epoch)
  local value, first = seq, redis.call('ZRANGE', acks, 0, 0, 'WITHSCORES')
  if first[2] and first[2] ~= 'inf' then value = tonumber(first[2]) end
  local last = redis.call('XREVRANGE', low, '+', '-', 'COUNT', 1)[1]
  local known = last and tonumber(string.match(last[1], '^%d+')) or 0
  if value <= known then return known end
  redis.call('XADD', low, 'MAXLEN', 1, id(value), 'e', epoch)
  return value
end
