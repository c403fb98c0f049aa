"""Reading Python without running it: trees and folders, syntax, what bodies amount to, who uses what."""
