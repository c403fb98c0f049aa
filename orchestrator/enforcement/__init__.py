"""Every required branch held against what it promised: as a verification, and as a checklist of each."""
