"""What Twilio does with a call off its media stream: TwiML run verb by verb, far ends dialled, calls made by REST."""
