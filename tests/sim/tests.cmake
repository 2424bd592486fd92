auk_sim(wait)
