-- Shared by all scripts of the purge clock. A control key that is missing or of a wrong type means another history.
-- redis.pcall gives an error as a table, where what is asked for is text: that tells both without asking for the types.
local meta, tags, soft, log, acks, grants, leases, low = unpack(KEYS)
local marked = {tags, soft, acks, grants, leases}

local function after(text, name)
  local _, at = string.find(text, name, 1, true)
  return at and string.sub(text, at + 1, at + 40)
end

-- What this server is: differs after a restart, a failover, on another node. Nil where INFO does not tell.
local function identity(mode)
  if mode ~= 'info' then return mode end
  local told = redis.pcall('INFO', 'server', 'replication')
  if type(told) ~= 'string' then return nil end
  local run, history = after(told, 'run_id:'), after(told, 'master_replid:')
  return run and history and run .. ':' .. history
end

-- The clock if its history is unbroken, else nil. `epoch` false: whichever is in force; `mode` false: a read, which
-- does not ask who the server is.
local function unbroken(epoch, mode)
  local have = redis.pcall('HMGET', meta, 'epoch', 'inc', 'seq', 'tip', 'floor', 'low', 'settled', 'lease')
  if have.err or not have[1] or (epoch and have[1] ~= epoch) then return nil end
  if mode and have[2] ~= identity(mode) then return nil end
  local mark = '@' .. have[1]
  for _, key in ipairs(marked) do
    if type(redis.pcall('ZSCORE', key, mark)) ~= 'string' then return nil end
  end
  if redis.call('TYPE', log).ok ~= 'stream' then return nil end
  local clock = {
    epoch = have[1], seq = tonumber(have[3]), tip = have[4], floor = tonumber(have[5]), low = tonumber(have[6]),
    settled = have[7] and 1 or 0, lease = tonumber(have[8])
  }
  return clock.seq and clock.floor and clock.low and clock.lease and clock or nil
end

local function id(seq) return string.format('%.0f-0', seq) end

local function number(entry) return tonumber(string.match(entry[1], '^%d+')) end

-- Whether this history contains the purge `tip` at `pos`; a trimmed position is believed.
local function contains(clock, pos, tip)
  if pos >= clock.seq then return pos == clock.seq and clock.tip == tip end
  local at = redis.call('XRANGE', log, id(pos), id(pos))[1]
  if not at then
    local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
    return not first or pos < number(first)
  end
  for i = 1, #at[2], 2 do
    if at[2][i] == 'n' then return at[2][i + 1] == tip end
  end
  return false
end

-- Publishes the smallest acknowledged position, which never falls within an epoch, and returns it.
local function advance(clock)
  local first = redis.call('ZRANGE', acks, 0, 0, 'WITHSCORES')
  local value = first[2] == 'inf' and clock.seq or tonumber(first[2])
  if value <= clock.low then return clock.low end
  redis.call('HSET', meta, 'low', value)
  if type(redis.pcall('XADD', low, 'MAXLEN', 1, id(value), 'e', clock.epoch)) ~= 'string' then
    -- Somebody broke the stream. It only repeats what `acks` says, so a new one will do.
    redis.call('DEL', low)
    redis.call('XADD', low, 'MAXLEN', 1, id(value), 'e', clock.epoch)
  end
  return value
end

-- The longest lease, in ms, that anybody may hold: of those registered, and, in a new epoch, of those before it.
local function longest(clock)
  local registered = tonumber(redis.call('ZRANGE', leases, -1, -1, 'WITHSCORES')[2])
  return clock.settled == 1 and registered or math.max(registered, clock.lease)
end

local function unregister(worker)
  redis.call('ZREM', acks, worker)
  redis.call('ZREM', grants, worker)
  redis.call('ZREM', leases, worker)
end
