"""Several workers that train one net: how they meet, agree, and notice that one is lost or hangs."""
