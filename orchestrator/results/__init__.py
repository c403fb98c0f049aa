"""Results brought here from the hosts: pulled, proved, and put where nothing can lead them elsewhere.

Whatever a host says is believed only as far as it can do no harm: names, sizes, links, lists.
"""
