"""`niyosha bench`: how many streams a server holds, how soon its text comes, and what that costs."""
