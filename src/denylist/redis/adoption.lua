-- Shared by the scripts about tokens of the gateway's that become families. The rules are those of adoption.rs. The clock
-- is that of this one server: those of the replicas differ.
local adoption_key, epoch_key = KEYS[3], KEYS[4]
local user, id, issued_at, ends_at, grace = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7])
local margin, family_prefix = ARGV[8], ARGV[9]

local time = redis.call('TIME')
local at = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- Ends what the token has become, and the token.
local function reused(family)
  list('t\t' .. user .. '\t' .. id, ends_at)
  local family_key = family_prefix .. family
  local last_expiry = redis.call('HMGET', family_key, 'last_expiry')[1]
  if last_expiry then
    return { 'reused', family, ends_at, end_family(family_key, family, last_expiry, margin) }
  end
  return { 'reused', family, ends_at }
end

-- Whether nobody has used what the token has become to refresh: then whoever presents it may never have had the pair.
local function unused(family, pair)
  local kept = redis.call('HMGET', family_prefix .. family, 'live', 'revoked')
  return kept[1] and not kept[2] and kept[1] == cjson.decode(pair).refresh
end

-- What the token, which has no epoch, or its user's tokens, or the family it has become are on the list for; and what is
-- kept about it. Answers nil if none of it counts.
local function standing(owner, proposed)
  local epoch, issued_until = read_epoch(epoch_key)
  if redis.call('ZSCORE', revoked, 't\t' .. user .. '\t' .. id) or (issued_until and issued_at <= issued_until) then
    return { 'revoked' }
  end
  local known = redis.call('HMGET', adoption_key, 'owner', 'until', 'at', 'epoch', 'pair', 'family')
  if known[5] then
    -- The clock that dated the token may be ahead of ours: then only its epoch tells that it was revoked.
    if redis.call('ZSCORE', revoked, 'f\t' .. known[6]) or tonumber(known[4]) < epoch then
      return { 'revoked' }
    elseif known[6] == proposed or math.abs(at - tonumber(known[3])) < grace or unused(known[6], known[5]) then
      return { 'done', known[4], known[5] }
    end
    return reused(known[6])
  elseif known[1] and known[1] ~= owner and at < tonumber(known[2]) then
    return { 'busy' }
  end
  return nil
end

-- A record is kept for as long as the token can be presented.
local function keep()
  redis.call('EXPIREAT', adoption_key, whole(tonumber(ends_at) + slack))
end
