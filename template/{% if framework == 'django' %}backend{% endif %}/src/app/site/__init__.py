"""The Django project around the chat: users, logins and the admin."""
