import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { NpwsHealthIndicator } from './npws-health.indicator.js';

/** Provides `NpwsHealthIndicator`. Import it, with Terminus, where your health controller lives. */
@Module({ imports: [TerminusModule], providers: [NpwsHealthIndicator], exports: [NpwsHealthIndicator] })
export class NpwsHealthModule {}
