-- Shared by the scripts about tokens of the gateway's that become families. The rules are those of adoption.rs. The clock
-- is that of this one server: those of the replicas differ.
local time = redis.call('TIME')
local at = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- What the token, which has no epoch, or its user's tokens, or the family it has become are on the list for; and what is
-- kept about it. Answers nil if none of it counts.
local function standing(adoption_key, epoch_key, user, id, issued_at, owner, grace)
  local _, issued_until = read_epoch(epoch_key)
  if redis.call('ZSCORE', revoked, 't\t' .. user .. '\t' .. id)
    or (issued_until and tonumber(issued_at) <= issued_until) then
    return { 'revoked' }
  end
  local known = redis.call('HMGET', adoption_key, 'owner', 'until', 'at', 'epoch', 'pair', 'family')
  if known[5] then
    if redis.call('ZSCORE', revoked, 'f\t' .. known[6]) then
      return { 'revoked' }
    elseif math.abs(at - tonumber(known[3])) < tonumber(grace) then
      return { 'done', known[4], known[5] }
    end
    return { 'spent' }
  elseif known[1] and known[1] ~= owner and at < tonumber(known[2]) then
    return { 'busy' }
  end
  return nil
end
