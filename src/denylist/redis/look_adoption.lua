return standing('', '') or {}
