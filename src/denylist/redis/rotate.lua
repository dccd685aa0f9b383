-- The rules are those of family.rs, in the same order.
local family_key, epoch_key = KEYS[3], KEYS[4]
local family, user, presented = ARGV[3], ARGV[4], ARGV[5]
local presented_epoch, known_epoch = tonumber(ARGV[6]), tonumber(ARGV[7])
local successor, refresh, expires_at, last_expiry = ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local grace, remembered, now, margin = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15])

-- The clock of this one server: those of the replicas differ.
local time = redis.call('TIME')
local at = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
-- A clock that was set back by more than the grace does not open a spent token again.
local function within(exchange)
  return math.abs(at - tonumber(exchange.at)) < grace
end

if redis.call('ZSCORE', revoked, 'f\t' .. family)
  or redis.call('ZSCORE', revoked, 't\t' .. user .. '\t' .. presented) then
  return { 'revoked' }
end
local known = redis.call('HMGET', family_key, 'user', 'live', 'expires_at', 'last_expiry', 'revoked', 'recent')
if known[1] ~= user then
  return { 'unknown' }
end
local epoch = math.max((read_epoch(epoch_key)), known_epoch)
if known[5] or presented_epoch < epoch then
  return { 'revoked' }
end
if tonumber(known[3]) + margin <= now then
  return { 'expired' }
end

local recent = known[6] and cjson.decode(known[6]) or {}
if known[2] == presented then
  epoch = whole(math.max(epoch, presented_epoch))
  local kept = {}
  for _, exchange in ipairs(recent) do
    if within(exchange) then
      kept[#kept + 1] = exchange
    end
  end
  while #kept >= remembered do
    table.remove(kept, 1)
  end
  kept[#kept + 1] = { presented = presented, at = whole(at), epoch = epoch, successor = successor }
  last_expiry = whole(math.max(tonumber(last_expiry), tonumber(known[4])))
  redis.call('HSET', family_key, 'live', refresh, 'expires_at', expires_at, 'last_expiry', last_expiry,
    'recent', cjson.encode(kept))
  redis.call('EXPIREAT', family_key, whole(tonumber(last_expiry) + slack))
  return { 'fresh', epoch }
end

for index = #recent, 1, -1 do
  local exchange = recent[index]
  if exchange.presented == presented and within(exchange) then
    return { 'replayed', exchange.epoch, exchange.successor }
  end
end
return { 'reused', end_family(family_key, family, known[4], margin) }
