-- Shared by all scripts. The list is a sorted set (entry, expiry); each new line of it is also told to the feed, in the
-- same step, so that a replica that has read the feed up to some id has every line that was listed until then.
local revoked, feed = KEYS[1], KEYS[2]
local feed_length, slack = ARGV[1], tonumber(ARGV[2])

-- Numbers as Redis wants them; Lua itself would write large ones with an exponent.
local function whole(number)
  return string.format('%.0f', number)
end

-- Puts an entry on the list, or prolongs it. Answers 1 if that changed anything.
local function list(entry, expires_at)
  local known = redis.call('ZSCORE', revoked, entry)
  if known and tonumber(known) >= tonumber(expires_at) then
    return 0
  end
  redis.call('ZADD', revoked, expires_at, entry)
  redis.call('XADD', feed, 'MAXLEN', '~', feed_length, '*', 'entry', entry, 'expires_at', expires_at)
  return 1
end

-- A user's epoch and the last iat that is bad, as they were kept: 0 and nil for a user without.
local function read_epoch(key)
  local text = redis.call('GET', key)
  if not text then
    return 0, nil
  end
  local epoch, issued_until = string.match(text, '^(%d+)\t(%-?%d+)$')
  return tonumber(epoch), tonumber(issued_until)
end

local function user_entry(user, epoch, issued_until)
  return 'u\t' .. user .. '\t' .. whole(epoch) .. '\t' .. whole(issued_until)
end

-- Replaces what the list says about a user. Nothing is lowered. Answers 1 if that changed anything.
local function raise_user(key, user, epoch, issued_until, expires_at)
  local known, known_until = read_epoch(key)
  if known_until then
    local old = user_entry(user, known, known_until)
    local known_expiry = tonumber(redis.call('ZSCORE', revoked, old) or 0)
    epoch, issued_until = math.max(epoch, known), math.max(issued_until, known_until)
    expires_at = math.max(tonumber(expires_at), known_expiry)
    if user_entry(user, epoch, issued_until) ~= old then
      redis.call('ZREM', revoked, old)
    end
  end
  redis.call('SET', key, whole(epoch) .. '\t' .. whole(issued_until))
  redis.call('EXPIREAT', key, whole(tonumber(expires_at) + slack))
  return list(user_entry(user, epoch, issued_until), whole(tonumber(expires_at)))
end

-- Ends a family. Answers until when that matters.
local function end_family(key, family, last_expiry, margin)
  local ends_at = whole(tonumber(last_expiry) + tonumber(margin))
  redis.call('HSET', key, 'revoked', '1')
  list('f\t' .. family, ends_at)
  return ends_at
end

-- Starts a family.
local function open_family(key, user, refresh, expires_at, last_expiry)
  redis.call('DEL', key)
  redis.call('HSET', key, 'user', user, 'live', refresh, 'expires_at', expires_at, 'last_expiry', last_expiry)
  redis.call('EXPIREAT', key, whole(tonumber(last_expiry) + slack))
end
