local family_key, adoption_key = KEYS[3], KEYS[4]
local family, caller, id, expires_at, margin, family_prefix, may_list = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8],
  ARGV[9]

local answer = 'token'
-- An id that cannot be one of ours by its shape names no family.
if family ~= '' then
  local known = redis.call('HMGET', family_key, 'user', 'last_expiry')
  if known[1] == caller then
    return { 'family', end_family(family_key, family, known[2], margin) }
  elseif known[1] then
    answer = 'foreign'
  end
end
-- The gateway's own token may have become a family, which it still names.
local adopted = redis.call('HMGET', adoption_key, 'family')[1]
if adopted then
  local adopted_key = family_prefix .. adopted
  local last_expiry = redis.call('HMGET', adopted_key, 'last_expiry')[1]
  if last_expiry then
    list('t\t' .. caller .. '\t' .. id, expires_at)
    return { 'adopted', expires_at, adopted, end_family(adopted_key, adopted, last_expiry, margin) }
  end
end
if may_list ~= '1' then
  return { 'too_many', expires_at }
end
list('t\t' .. caller .. '\t' .. id, expires_at)
return { answer, expires_at }
