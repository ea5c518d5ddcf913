"""The FastAPI application."""

from fastapi import FastAPI

app = FastAPI()
